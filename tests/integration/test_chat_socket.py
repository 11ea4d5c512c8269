"""/ws/chat of a real daemon, with the client that everybody uses: answered, taken up again, refused without a key."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from tests.daemon import Daemon, daemon

WITHIN_S = 20.0
FAKES: dict[str, Any] = {f"{part}__ENGINE": "fake" for part in ("VAD", "WAKE", "STT", "LLM", "TTS")}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with daemon(tmp_path_factory.mktemp("solo"), **FAKES) as one:
        yield one


def line(running: Daemon, key: str = "") -> connect:
    headers = {"Authorization": f"Bearer {key or running.key}"}
    return connect(f"ws://127.0.0.1:{running.port}/ws/chat", additional_headers=headers, proxy=None)


async def until(socket: ClientConnection, kind: str) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = []
    async with asyncio.timeout(WITHIN_S):
        while not told or told[-1]["type"] != kind:
            told.append(json.loads(await socket.recv()))
    return told


async def test_asked_and_taken_up_again(running: Daemon) -> None:
    async with line(running) as first:
        await first.send(json.dumps({"type": "ask", "text": "What is the capital of France?", "talk": "socket"}))
        whole = await until(first, "turn")
        first.transport.abort()  # the line drops: no good-bye
    assert [message["seq"] for message in whole] == list(range(1, len(whole) + 1))
    said = "".join(message["text"] for message in whole if message["type"] == "delta")
    assert whole[-1]["turn"]["said"] == said.strip() != ""
    turn_id = whole[-1]["turn"]["turn_id"]
    assert running.get(f"/api/turns/{turn_id}").json()["said"] == said.strip()
    async with line(running) as second:
        await until(second, "ready")
        await second.send(json.dumps({"type": "resume", "session": whole[0]["session"], "seq": 2}))
        rest = await until(second, "ready")
    assert "".join(message["text"] for message in rest if message["type"] == "delta") == said
    assert [message["seq"] for message in rest] == list(range(3, 3 + len(rest)))
    # After a good-bye nothing is kept.
    async with line(running) as third:
        await third.send(json.dumps({"type": "resume", "session": whole[0]["session"], "seq": 2}))
        error = (await until(third, "error"))[-1]
    assert error["error"]["code"] == "api.no_chat"


async def test_nothing_with_a_wrong_key(running: Daemon) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with line(running, "wrong"):
            pass
    assert refused.value.response.status_code == 401


async def test_figures_of_a_whole_daemon(running: Daemon) -> None:
    text = await asyncio.to_thread(lambda: running.get("/metrics").text)
    assert "solo_up{" in text
    assert "solo_loop_lag_seconds" in text
    assert 'solo_requests_running{model="' in text
