"""OpenAI's routes of sound while an answer is being made: who leaves, who waits, how many at once."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from services.api.openai import live
from services.api.sound import hearing
from services.messages.codec import EncodeSound
from services.messages.speech import Synthesize, Transcribe
from solo.isolation.engine import EngineDied
from solo.supervision import Context
from tests.stubs.callers import as_owner
from tests.stubs.sound_house import PCM, Engines, sounds

LONG = 60.0


class Caller:
    """An ASGI server's side of one request."""

    def __init__(self, request: httpx.Request) -> None:
        self.sent: list[Any] = []
        self.gone = asyncio.Event()
        self.came = asyncio.Event()
        """Something was sent."""
        self._incoming: list[Any] = [{"type": "http.request", "body": request.read(), "more_body": False}]
        headers = [(name.lower(), value) for name, value in request.headers.raw]
        path = request.url.path
        self._scope: dict[str, Any] = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1"}
        self._scope |= {"method": "POST", "path": path, "raw_path": path.encode(), "query_string": b""}
        self._scope["headers"] = headers

    async def call(self, app: FastAPI) -> None:
        await as_owner(app)(self._scope, self._receive, self._send)

    async def _receive(self) -> Any:
        if self._incoming:
            return self._incoming.pop(0)
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        self.sent.append(message)
        self.came.set()

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)


def transcribing(**data: str) -> Caller:
    files = {"file": ("a.wav", b"RIFF")}
    return Caller(httpx.Request("POST", "http://127.0.0.1:8700/v1/audio/transcriptions", files=files, data=data))


def speaking(**body: Any) -> Caller:
    asked = {"input": "One. Two. Three.", **body}
    return Caller(httpx.Request("POST", "http://127.0.0.1:8700/v1/audio/speech", json=asked))


async def asked(engines: Engines, kind: type[Any]) -> None:
    while not engines.of(kind):
        await asyncio.sleep(0)


class TestLeaving:
    @pytest.mark.parametrize("stream", ["true", "false"])
    async def test_ends_a_transcription_at_once(self, ctx: Context, stream: str) -> None:
        async with sounds(ctx, texts=[LONG, "never"]) as (app, engines):
            caller = transcribing(stream=stream)
            calling = asyncio.create_task(caller.call(app))
            await asked(engines, Transcribe)
            caller.gone.set()
            async with asyncio.timeout(1):
                await engines.left.wait()
                await calling
            assert len(engines.of(Transcribe)) == 1

    @pytest.mark.parametrize("more", [{}, {"response_format": "wav"}, {"stream_format": "sse"}])
    async def test_ends_speech_at_once(self, ctx: Context, more: dict[str, str]) -> None:
        async with sounds(ctx, chunks=[PCM, LONG]) as (app, engines):
            caller = speaking(**more)
            calling = asyncio.create_task(caller.call(app))
            await asked(engines, Synthesize)
            await caller.came.wait()
            caller.gone.set()
            async with asyncio.timeout(1):
                await engines.left.wait()
                await calling
            assert len(engines.of(Synthesize)) == 1

    async def test_gives_back_the_place(self, ctx: Context) -> None:
        async with sounds(ctx, texts=[LONG]) as (app, engines):
            for _ in range(3 * hearing.MOST_AT_ONCE):
                engines.asked.clear()
                caller = transcribing()
                calling = asyncio.create_task(caller.call(app))
                await asked(engines, Transcribe)
                caller.gone.set()
                await calling


async def test_more_than_fit_are_told_to_come_back(ctx: Context) -> None:
    async with sounds(ctx, texts=[LONG]) as (app, engines):
        callers = [transcribing() for _ in range(hearing.MOST_AT_ONCE)]
        calling = [asyncio.create_task(caller.call(app)) for caller in callers]
        while len(engines.of(Transcribe)) < len(callers):
            await asyncio.sleep(0)
        late = transcribing()
        await late.call(app)
        assert late.status == 503
        assert (b"retry-after", b"2") in late.sent[0]["headers"]
        for caller in callers:
            caller.gone.set()
        await asyncio.gather(*calling)


@pytest.mark.virtual_time
async def test_a_stream_gives_signs_of_life(ctx: Context) -> None:
    async with sounds(ctx, texts=[2.5 * live.PING_S, "now"]) as (app, _):
        caller = transcribing(stream="true")
        await caller.call(app)
    assert caller.body.startswith(b": still here\n\n: still here\n\n")
    assert json.loads(caller.body.split(b"data: ")[-1])["text"] == "now"


@pytest.mark.virtual_time
async def test_a_sound_that_takes_long_is_not_disturbed(ctx: Context) -> None:
    async with sounds(ctx, chunks=[PCM, 2.5 * live.PING_S, PCM]) as (app, _):
        caller = speaking(response_format="wav", input="One.")
        await caller.call(app)
    assert caller.body[44:] == PCM + PCM


async def test_a_sound_that_breaks_off_has_no_end(ctx: Context) -> None:
    """The server then closes the connection: no client takes it for whole."""
    async with sounds(ctx, chunks=[PCM, EngineDied("it died")]) as (app, _):
        caller = speaking(response_format="wav")
        await caller.call(app)
    assert caller.status == 200
    assert caller.sent[-1]["more_body"] is True


async def test_speech_is_sent_while_it_is_made(ctx: Context) -> None:
    async with sounds(ctx, chunks=[PCM, LONG]) as (app, engines):
        caller = speaking(response_format="mp3")
        calling = asyncio.create_task(caller.call(app))
        await caller.came.wait()
        assert caller.status == 200
        assert len(engines.of(EncodeSound)) == 1
        caller.gone.set()
        await calling
