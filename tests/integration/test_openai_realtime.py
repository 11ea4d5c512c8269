"""OpenAI's own client holds realtime conversations with a real daemon and its real engines."""

from __future__ import annotations

import asyncio
import base64
import functools
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from openai.types.realtime import RealtimeServerEvent
from openai.types.realtime.client_secret_create_response import ClientSecretCreateResponse
from pydantic import TypeAdapter
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.contract.speech import say, silence, to_pcm
from tests.daemon import Daemon, daemon

pytestmark = pytest.mark.engine
RATE = 24_000
PIECE_S = 0.1
WITHIN_S = 90.0
EVENT: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
QUESTION = "What is the capital of France?"
LONG = "Tell me a long story about a lighthouse, a storm, a fisherman, and a very clever dog."
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Tells the weather of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@functools.cache
def spoken(text: str) -> bytes:
    """s16le 24 kHz."""
    import numpy as np

    heard = np.frombuffer(say(text), "<i2").astype("float32") / 32768
    return to_pcm(import_module("soxr").resample(heard, 16_000, RATE))


def quiet(seconds: float) -> bytes:
    return silence(seconds * RATE / 16_000)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    state: Path = tmp_path_factory.mktemp("realtime") / "state"
    with daemon(state, WAKE__ENGINE="fake", MEMORY__EMBEDDER="fake") as running:
        yield running


class Conversation:
    """Everything that is heard on it fits OpenAI's types."""

    def __init__(self, line: AsyncRealtimeConnection) -> None:
        self.line = line
        self.events: list[Any] = []

    async def until(self, *kinds: str) -> Any:
        """The first event of these kinds."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                event = await self.line.recv()
                EVENT.validate_python(event.to_dict())
                self.events.append(event)
                assert event.type != "error" or "error" in kinds, event
                if event.type in kinds:
                    return event

    async def update(self, **session: Any) -> None:
        await self.line.session.update(session={"type": "realtime", **session})
        await self.until("session.updated")

    async def write(self, text: str) -> None:
        content = [{"type": "input_text", "text": text}]
        await self.line.conversation.item.create(item={"type": "message", "role": "user", "content": content})  # type: ignore[typeddict-item]

    async def hear(self, pcm: bytes, pace: float = 1.0) -> None:
        step = round(RATE * PIECE_S) * 2
        for at in range(0, len(pcm), step):
            await self.line.input_audio_buffer.append(audio=base64.b64encode(pcm[at : at + step]).decode())
            await asyncio.sleep(PIECE_S * pace)

    def sound(self) -> bytes:
        return b"".join(
            base64.b64decode(event.delta) for event in self.events if event.type == "response.output_audio.delta"
        )

    def kinds(self) -> list[str]:
        return [event.type for event in self.events]


@asynccontextmanager
async def conversation(running: Daemon, **session: Any) -> AsyncIterator[Conversation]:
    client = openai.AsyncOpenAI(api_key=running.key, base_url=f"http://127.0.0.1:{running.port}/v1")
    async with client, client.realtime.connect(model="gpt-realtime") as line:
        talking = Conversation(line)
        await talking.until("session.created")
        if session:
            await talking.update(**session)
        yield talking


class TestInWriting:
    async def test_text_for_text(self, running: Daemon) -> None:
        async with conversation(running, output_modalities=["text"]) as talking:
            await talking.write(QUESTION)
            await talking.line.response.create()
            done = await talking.until("response.done")
            assert done.response.status == "completed"
            assert "Paris" in done.response.output[0].content[0].text
            assert done.response.usage.output_tokens > 0

    async def test_a_function_is_called_and_its_answer_used(self, running: Daemon) -> None:
        choice = {"type": "function", "name": "get_weather"}
        async with conversation(running, output_modalities=["text"], tools=[WEATHER], tool_choice=choice) as talking:
            await talking.write("How is the weather in Paris?")
            await talking.line.response.create()
            done = await talking.until("response.done")
            (call,) = done.response.output
            assert (call.type, call.name) == ("function_call", "get_weather")
            assert "city" in json.loads(call.arguments)
            output = {"type": "function_call_output", "call_id": call.call_id, "output": "It is sunny, 21 degrees."}
            await talking.line.conversation.item.create(item=output)  # type: ignore[arg-type]
            await talking.line.response.create(response={"tool_choice": "none"})
            assert (await talking.until("response.done")).response.status == "completed"

    async def test_cancelled(self, running: Daemon) -> None:
        async with conversation(running, output_modalities=["text"]) as talking:
            await talking.write(LONG)
            await talking.line.response.create()
            await talking.until("response.output_text.delta")
            await talking.line.response.cancel()
            done = await talking.until("response.done")
            assert done.response.status_details.reason == "client_cancelled"
            await talking.line.response.create(response={"conversation": "none", "max_output_tokens": 5})
            assert (await talking.until("response.done")).response.status in {"completed", "incomplete"}


class TestBySpeech:
    async def test_a_turn_by_the_servers_ear(self, running: Daemon) -> None:
        transcription = {"input": {"transcription": {"model": "whisper-1"}}}
        async with conversation(running, audio=transcription) as talking:
            hearing = asyncio.create_task(talking.hear(quiet(0.5) + spoken(QUESTION) + quiet(2.0)))
            done = await talking.until("response.done")
            await hearing
            assert done.response.status == "completed"
            heard = next(event for event in talking.events if event.type.endswith("transcription.completed"))
            assert "capital of france" in heard.transcript.lower()
            assert "Paris" in done.response.output[0].content[0].transcript
            assert len(talking.sound()) / 2 / RATE > 0.5
            order = [kind for kind in talking.kinds() if kind.startswith("input_audio_buffer")]
            assert [kind.rpartition(".")[2] for kind in order] == ["speech_started", "speech_stopped", "committed"]

    async def test_what_is_answered_aloud_can_be_heard(self, running: Daemon) -> None:
        """The sound of the answer, fed back as a question of another session, says what its transcript says."""
        async with conversation(running, instructions="Repeat.") as talking:
            await talking.write("Say: the old lighthouse stands on a rock.")
            await talking.line.response.create()
            said = (await talking.until("response.done")).response.output[0].content[0].transcript
        sound = talking.sound()
        async with conversation(
            running, audio={"input": {"turn_detection": None, "transcription": {"model": "whisper-1"}}}
        ) as other:
            await other.hear(sound[: 20 * RATE * 2], pace=0.05)
            await other.line.input_audio_buffer.commit()
            heard = (await other.until("conversation.item.input_audio_transcription.completed")).transcript
        words, again = ({word.strip(".,!?\"'").lower() for word in text.split()} for text in (said, heard))
        assert len(words & again) >= 0.6 * min(len(words), len(again)), (said, heard)

    async def test_manual_turns(self, running: Daemon) -> None:
        async with conversation(
            running, output_modalities=["text"], audio={"input": {"turn_detection": None}}
        ) as talking:
            await talking.hear(spoken(QUESTION), pace=0.05)
            await talking.line.input_audio_buffer.commit()
            await talking.line.response.create()
            done = await talking.until("response.done")
            assert "Paris" in done.response.output[0].content[0].text

    async def test_speaking_interrupts(self, running: Daemon) -> None:
        """And the conversation keeps what was heard of the answer, as the client says it."""
        async with conversation(running) as talking:
            await talking.write(LONG)
            await talking.line.response.create()
            first = await talking.until("response.output_audio.delta")
            hearing = asyncio.create_task(talking.hear(spoken("Please stop now.") + quiet(1.5)))
            await talking.until("input_audio_buffer.speech_started")
            done = await talking.until("response.done")
            assert done.response.status_details.reason == "turn_detected"
            assert done.response.output[0].status == "incomplete"
            await talking.line.conversation.item.truncate(item_id=first.item_id, content_index=0, audio_end_ms=300)
            await talking.until("conversation.item.truncated")
            await talking.line.conversation.item.retrieve(item_id=first.item_id)
            kept = (await talking.until("conversation.item.retrieved")).item.content[0].transcript
            assert len(kept) < len(done.response.output[0].content[0].transcript)
            await hearing


class TestWhoMay:
    async def test_a_secret_opens_one_session_with_its_settings(self, running: Daemon) -> None:
        client = openai.AsyncOpenAI(api_key=running.key, base_url=f"http://127.0.0.1:{running.port}/v1")
        async with client:
            session = {"type": "realtime", "instructions": "Be brief.", "model": "gpt-realtime"}
            made = await client.realtime.client_secrets.create(session=session)  # type: ignore[arg-type]
            TypeAdapter(ClientSecretCreateResponse).validate_python(made.to_dict())
        url = f"ws://127.0.0.1:{running.port}/v1/realtime"
        protocols: list[Any] = ["realtime", f"openai-insecure-api-key.{made.value}"]
        async with connect(url, subprotocols=protocols) as line:
            assert line.subprotocol == "realtime"
            assert json.loads(await line.recv())["session"]["instructions"] == "Be brief."
        with pytest.raises(Exception, match="401"):
            async with connect(url, subprotocols=protocols):
                pass

    async def test_a_revoked_key_closes_its_session(self, running: Daemon) -> None:
        made = running.client.post("/api/keys", {"name": "realtime", "role": "service", "scopes": ["audio"]})
        client = openai.AsyncOpenAI(api_key=made["secret"], base_url=f"http://127.0.0.1:{running.port}/v1")
        async with client, client.realtime.connect(model="solo") as line:
            await line.recv()
            await asyncio.to_thread(running.client.delete, f"/api/keys/{made['key']['id']}")
            with pytest.raises(ConnectionClosed) as closed:
                async with asyncio.timeout(1.0):
                    await line.recv()
            assert closed.value.rcvd is not None and closed.value.rcvd.code == 4401

    async def test_without_a_key_nobody_speaks(self, running: Daemon) -> None:
        async with connect(f"ws://127.0.0.1:{running.port}/v1/realtime") as line:
            await line.send(json.dumps({"type": "session.update", "session": {}}))
            with pytest.raises(ConnectionClosed) as closed:
                await line.recv()
            assert closed.value.rcvd is not None and closed.value.rcvd.code == 4401
