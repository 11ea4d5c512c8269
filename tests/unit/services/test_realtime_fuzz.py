"""Whatever a realtime client sends, it is done or told to be an error, and the session goes on."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import random
from typing import Any

import pytest

from services.api.guards.limits import Standing
from services.api.realtime import session as sessions
from services.api.realtime.sessions import RealtimeSessions
from solo.supervision import Context
from tests.stubs.realtime import Door, loud, serving

pytestmark = pytest.mark.virtual_time
FRAMES = int(os.environ.get("TEST_FUZZ_ROUNDS", "20")) * 100
SEEDS = range(10)
TEXTS = ("", "\x00", "🦊" * 50, "x" * 70_000, "auto", "none", "item_1", "root", "NaN", "audio/pcm", "what?")
NUMBERS = (0, -1, 1, 0.5, 2**31, 2**53 + 1, 10**400, -0.0)
RAW = (
    "", " ", "null", "[]", "0", '"', "{", '{"type":', "[" * 20_000, '{"a":' * 20_000, '{"type":"\\ud800"}',
    '{"type":"session.update","session":{"instructions":"\\ud800"}}', '{"type":1}', '{"type":["a"]}', '{"type":NaN}',
    '{"type":"conversation.item.delete","item_id":"\\udfff"}', '{"type":"response.create","event_id":{"a":1}}',
    '{"type":"session.update","type":"response.cancel"}', "9" * 5000,
)  # fmt: skip
TEXT = [{"type": "input_text", "text": "What?"}]
RIGHT: tuple[dict[str, Any], ...] = (
    {"type": "session.update", "session": {"type": "realtime", "instructions": "Be brief.", "audio": {"input": {
        "turn_detection": {"type": "server_vad", "threshold": 0.5}, "format": {"type": "audio/pcm", "rate": 24000}}}}},
    {"type": "session.update", "session": {"modalities": ["text"], "voice": "alloy", "turn_detection": None}},
    {"type": "session.update", "session": {"tools": [{"type": "function", "name": "a", "parameters": {}}]}},
    {"type": "input_audio_buffer.append", "audio": base64.b64encode(loud(0.1)).decode()},
    {"type": "input_audio_buffer.append", "audio": base64.b64encode(bytes(9600)).decode()},
    {"type": "input_audio_buffer.commit"},
    {"type": "input_audio_buffer.clear"},
    {"type": "conversation.item.create", "item": {"type": "message", "role": "user", "id": "item_1", "content": TEXT}},
    {"type": "conversation.item.create", "previous_item_id": "item_1", "item": {
        "type": "function_call_output", "call_id": "call_1", "output": "{}"}},
    {"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": [
        {"type": "input_audio", "audio": base64.b64encode(bytes(4800)).decode()}]}},
    {"type": "conversation.item.retrieve", "item_id": "item_1"},
    {"type": "conversation.item.delete", "item_id": "item_1"},
    {"type": "conversation.item.truncate", "item_id": "item_1", "content_index": 0, "audio_end_ms": 10},
    {"type": "response.create"},
    {"type": "response.create", "response": {"conversation": "none", "metadata": {"a": "b"}, "input": [
        {"type": "item_reference", "id": "item_1"}, {"type": "message", "role": "user", "content": TEXT}]}},
    {"type": "response.cancel"},
)  # fmt: skip


def anything(dice: random.Random, depth: int = 0) -> Any:
    kind = dice.randrange(7 if depth < 4 else 4)
    if kind == 0:
        return dice.choice(TEXTS)
    if kind == 1:
        return dice.choice(NUMBERS)
    if kind < 4:
        return dice.choice((None, True, False))
    if kind == 4:
        return [anything(dice, depth + 1) for _ in range(dice.randrange(4))]
    return {dice.choice(TEXTS)[:100]: anything(dice, depth + 1) for _ in range(dice.randrange(4))}


def spoiled(dice: random.Random, event: Any) -> Any:
    """One place of it, at any depth, is left out or something else."""
    if not isinstance(event, dict | list) or not event or dice.random() < 0.2:
        return anything(dice)
    if isinstance(event, list):
        at = dice.randrange(len(event))
        return [*event[:at], spoiled(dice, event[at]), *event[at + 1 :]]
    name = dice.choice(list(event))
    if dice.random() < 0.2:
        return {key: value for key, value in event.items() if key != name}
    return {**event, name: spoiled(dice, event[name])}


def frame(dice: random.Random) -> dict[str, Any]:
    kind = dice.randrange(12)
    if kind == 0:
        return {"type": "websocket.receive", "bytes": dice.randbytes(dice.choice((0, 1, 640)))}
    if kind == 1:
        return {"type": "websocket.receive", "text": dice.choice(RAW)}
    if kind == 2:
        return {"type": "websocket.receive", "text": json.dumps(anything(dice))}
    event: Any = {**dice.choice(RIGHT), "event_id": str(dice.random())}
    if kind > 5:
        event = spoiled(dice, event)
    text = json.dumps(event)
    return {"type": "websocket.receive", "text": text[: dice.randrange(len(text))] if dice.random() < 0.1 else text}


@pytest.mark.parametrize("seed", SEEDS)
async def test_nothing_ends_it(
    ctx: Context, seed: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(RealtimeSessions, "take", lambda *_: Standing(True, 9, 9, 1))
    monkeypatch.setattr(sessions, "MOST_FRAMES_PER_S", 10**9)
    dice = random.Random(f"realtime {seed}")
    async with serving(ctx), Door.to(ctx).connected() as client:
        for _ in range(FRAMES // len(SEEDS)):
            await client.inbound.put(frame(dice))
            if dice.random() < 0.05:
                await asyncio.sleep(dice.choice((0, 0.1, 1)))
        await client.say("session.update", event_id="last", session={"instructions": "Still there?"})
        while True:
            event = (await client.until("session.updated", "error"))[-1]
            if event["type"] == "session.updated" and event["session"]["instructions"] == "Still there?":
                break
    errors = [event["error"] for event in client.told if event["type"] == "error"]
    assert errors
    for error in errors:
        assert error["code"].partition(".")[0] in {"api", "item_not_found", "response_cancel_not_active",
            "input_audio_buffer_commit_empty", "conversation_already_has_active_response", "engine"}, error  # fmt: skip
        assert "crashed" not in error["message"], error
        assert len(error["message"]) < 2000
    assert [record.message for record in caplog.records if record.levelname in {"ERROR", "CRITICAL"}] == []
