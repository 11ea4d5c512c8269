"""A realtime session that is spoken with: whose turn it is, interruptions, and what was heard of an answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.messages.turntaking import JudgeTurnEnd, TurnEnd
from solo.isolation.engine import EngineDied
from solo.supervision import Context
from tests.stubs.realtime import RATE, WORD_S, Client, Door, Engines, kinds, loud, quiet, serving

pytestmark = pytest.mark.virtual_time
QUESTION = "What is the capital of France?"


@pytest.fixture
async def engines(ctx: Context) -> AsyncIterator[Engines]:
    async with serving(ctx) as engines:
        yield engines


@pytest.fixture
async def client(ctx: Context, engines: Engines) -> AsyncIterator[Client]:
    async with Door.to(ctx).connected() as client:
        await client.until("session.created")
        yield client


async def ask(client: Client, seconds: float = 1.0) -> None:
    await client.hear(quiet(0.5) + loud(seconds) + quiet(1.0))


class TestTurns:
    async def test_a_spoken_question_is_answered_aloud(self, client: Client, engines: Engines) -> None:
        await client.update(audio={"input": {"transcription": {"model": "whisper-1", "language": "en"}}})
        await ask(client)
        events = await client.until("rate_limits.updated")
        assert kinds(events) == [
            "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped", "input_audio_buffer.committed",
            "conversation.item.added", "conversation.item.done",
            "conversation.item.input_audio_transcription.delta",
            "conversation.item.input_audio_transcription.completed",
            "response.created", "response.output_item.added", "conversation.item.added", "response.content_part.added",
            "response.output_audio_transcript.delta", "response.output_audio.delta", "response.output_audio.done",
            "response.output_audio_transcript.done", "response.content_part.done", "response.output_item.done",
            "conversation.item.done", "response.done", "rate_limits.updated",
        ]  # fmt: skip
        said = {event["type"]: event for event in events}
        assert said["conversation.item.input_audio_transcription.completed"]["transcript"] == QUESTION
        assert said["input_audio_buffer.speech_started"]["audio_start_ms"] == pytest.approx(200, abs=35)
        assert said["input_audio_buffer.speech_stopped"]["audio_end_ms"] == pytest.approx(1500, abs=35)
        (output,) = said["response.done"]["response"]["output"]
        assert output["content"] == [{"type": "output_audio", "transcript": "Paris is the capital of France."}]
        sounds = [len(event["delta"]) * 3 / 4 for event in events if event["type"] == "response.output_audio.delta"]
        assert sum(sounds) / 2 / RATE == pytest.approx(6 * WORD_S, abs=0.01)
        assert engines.asked[-1].messages[-1].content == QUESTION
        assert engines.asked[-1].lane == "voice"

    async def test_what_was_said_is_transcribed_before_the_turn_is_decided(
        self, client: Client, engines: Engines
    ) -> None:
        """Once, in the pause; a pause that was none costs a guess."""
        await client.hear(loud(0.5) + quiet(0.3) + loud(0.5) + quiet(1.0))
        await client.until("response.done")
        assert len(engines.transcribed) == 2
        assert [len(asked.pcm) / 32_000 for asked in engines.transcribed] == pytest.approx([0.7, 1.5], abs=0.1)

    async def test_the_prompt_is_read_while_it_is_being_spoken(self, client: Client, engines: Engines) -> None:
        await client.hear(loud(0.5))
        await client.until("input_audio_buffer.speech_started")
        await asyncio.sleep(0)
        assert [message.role for message in engines.read[0].messages] == ["system"]

    async def test_the_clients_own_thresholds(self, client: Client) -> None:
        how = {"type": "server_vad", "silence_duration_ms": 1500, "prefix_padding_ms": 0, "threshold": 0.8}
        await client.update(audio={"input": {"turn_detection": how}})
        await client.hear(quiet(0.5) + loud(0.5) + quiet(1.0) + loud(0.5) + quiet(2.0))
        events = await client.until("response.done")
        stopped = [event for event in events if event["type"] == "input_audio_buffer.speech_stopped"]
        assert [event["audio_end_ms"] for event in stopped] == [pytest.approx(2500, abs=35)]
        await client.update(audio={"input": {"turn_detection": {"type": "server_vad", "threshold": 0.95}}})
        await ask(client)
        await client.update()
        assert client.told[-1]["type"] == "session.updated"
        assert client.told[-2]["type"] not in {"input_audio_buffer.speech_started"}

    async def test_without_create_response_the_client_asks_itself(self, client: Client, engines: Engines) -> None:
        await client.update(audio={"input": {"turn_detection": {"type": "server_vad", "create_response": False}}})
        await ask(client)
        await client.update()
        assert engines.asked == []
        await client.say("response.create")
        await client.until("response.done")
        assert engines.asked[0].messages[-1].content == QUESTION

    async def test_noise_without_words_is_not_answered(self, client: Client, engines: Engines) -> None:
        engines.heard = [""]
        await ask(client)
        await client.update()
        assert engines.asked == []

    async def test_a_failed_transcription_is_told(self, client: Client, engines: Engines) -> None:
        engines.heard = [EngineDied("the recogniser died")]
        await client.update(audio={"input": {"transcription": {}}})
        await ask(client)
        events = await client.until("error")
        assert "conversation.item.input_audio_transcription.failed" in kinds(events)
        assert events[-1]["error"]["code"] == "engine.died"
        engines.heard = [QUESTION]
        await ask(client)
        await client.until("response.done")

    async def test_manual_turns(self, client: Client, engines: Engines) -> None:
        await client.update(audio={"input": {"turn_detection": None}})
        await client.hear(loud(0.5))
        await client.say("input_audio_buffer.clear")
        await client.until("input_audio_buffer.cleared")
        await client.say("input_audio_buffer.commit", event_id="mine")
        error = await client.error()
        assert (error["code"], error["event_id"]) == ("input_audio_buffer_commit_empty", "mine")
        await client.hear(loud(1.0) + quiet(2.0) + loud(1.0))
        await client.say("input_audio_buffer.commit")
        await client.say("response.create")
        events = await client.until("response.done")
        assert "input_audio_buffer.speech_started" not in kinds(events)
        assert len(engines.transcribed[-1].pcm) / 32_000 == pytest.approx(4.0, abs=0.01)
        assert engines.asked[-1].messages[-1].content == QUESTION

    async def test_the_buffer_is_bounded(self, client: Client) -> None:
        await client.update(audio={"input": {"turn_detection": None}})
        await client.hear(quiet(121), piece_s=4.0)
        error = await client.error()
        assert error["code"] == "api.buffer_full"

    async def test_telephone_sound(self, client: Client, engines: Engines) -> None:
        """A byte a sample, 8 kHz, both ways."""
        telephone = {"type": "audio/pcmu"}
        await client.update(audio={"input": {"format": telephone}, "output": {"format": telephone}})
        await client.hear(quiet(0.5, 8000)[::2] + b"\x20" * 8000 + quiet(1.0, 8000)[::2], size=1, rate=8000)
        events = await client.until("response.done")
        sounds = [len(event["delta"]) * 3 / 4 for event in events if event["type"] == "response.output_audio.delta"]
        assert sum(sounds) / 8000 == pytest.approx(6 * WORD_S, abs=0.01)


class TestSemantic:
    @pytest.mark.parametrize(
        ("text", "eagerness", "expected"),
        [("What is that?", "high", 0.25), ("What is that?", "auto", 0.4), ("And then I", "auto", 1.6),
         ("I want to.", "medium", 1.6), ("And then I", "low", 3.0)],
    )  # fmt: skip
    async def test_words_say_how_long_to_wait(
        self, client: Client, engines: Engines, text: str, eagerness: str, expected: float
    ) -> None:
        engines.heard = [text]
        await client.update(audio={"input": {"turn_detection": {"type": "semantic_vad", "eagerness": eagerness}}})
        assert await waited_s(client) == pytest.approx(expected, abs=0.12)

    async def test_a_turn_model_knows_better(self, client: Client, engines: Engines, ctx: Context) -> None:
        async def judge(_: JudgeTurnEnd) -> TurnEnd:
            return TurnEnd(probability=0.9, wait_ms=1000, engine="stub")

        judging = asyncio.create_task(ctx.answer(JudgeTurnEnd, judge))
        await client.update(audio={"input": {"turn_detection": {"type": "semantic_vad"}}})
        assert await waited_s(client) == pytest.approx(1.0, abs=0.12)
        judging.cancel()


async def waited_s(client: Client) -> float:
    """From the last speech sample to the decision, in seconds; one chunk and one piece are the grain of it."""
    began = asyncio.get_running_loop().time()
    await client.hear(loud(1.0) + quiet(4.0), piece_s=0.05)
    stopped = (await client.until("input_audio_buffer.speech_stopped"))[-1]
    return client.times[stopped["event_id"]] - began - 1.0


class TestInterruptions:
    async def begin(self, client: Client, engines: Engines) -> None:
        """Solo speaks, and has more to say."""
        engines.said = ["One two three four five six seven eight. ", "Nine ten.", " Never said."]
        engines.go_on.clear()
        await ask(client)
        await client.until("response.output_audio.delta")

    async def test_speech_ends_the_answer(self, client: Client, engines: Engines) -> None:
        await self.begin(client, engines)
        await client.hear(loud(0.3))
        events = await client.until("rate_limits.updated")
        assert "input_audio_buffer.speech_started" in kinds(events)
        done = next(event for event in events if event["type"] == "response.done")["response"]
        assert done["status"] == "cancelled"
        assert done["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
        assert done["output"][0]["status"] == "incomplete"
        assert "Never said" not in done["output"][0]["content"][0]["transcript"]

    async def test_what_was_not_heard_was_not_said(self, client: Client, engines: Engines) -> None:
        """Sound leaves faster than it can be heard, so the clock says what of it that was."""
        engines.said = ["One two three four five six seven eight nine ten eleven twelve."]
        await client.hear(loud(1.0) + quiet(0.8))
        await client.until("rate_limits.updated")
        await client.hear(loud(1.0) + quiet(1.0))
        await client.until("response.done")
        before = engines.asked[-1].messages[-2]
        assert before.role == "assistant"
        heard = before.content.split()
        assert 1 <= len(heard) < 12
        assert engines.said[0].startswith(" ".join(heard))  # type: ignore[union-attr]

    async def test_the_client_knows_better_what_was_heard(self, client: Client, engines: Engines) -> None:
        engines.said = ["One two three four five six seven eight nine ten eleven twelve."]
        await client.write("Count!")
        await client.say("response.create")
        done = (await client.until("response.done"))[-1]["response"]
        item = done["output"][0]["id"]
        await client.say("conversation.item.truncate", item_id=item, content_index=0, audio_end_ms=99_999)
        assert (await client.error())["param"] == "audio_end_ms"
        await client.say("conversation.item.truncate", item_id=item, content_index=1, audio_end_ms=0)
        assert (await client.error())["param"] == "content_index"
        await client.say("conversation.item.truncate", item_id=item, content_index=0, audio_end_ms=1000)
        await client.until("conversation.item.truncated")
        await client.say("conversation.item.retrieve", item_id=item)
        retrieved = (await client.until("conversation.item.retrieved"))[-1]["item"]
        assert retrieved["content"][0]["transcript"] == "One two three four"

    async def test_without_interrupt_response_the_answer_goes_on(self, client: Client, engines: Engines) -> None:
        """And what was said meanwhile is answered behind it."""
        how = {"type": "server_vad", "interrupt_response": False}
        await client.update(audio={"input": {"turn_detection": how}})
        await self.begin(client, engines)
        await client.hear(loud(1.0) + quiet(1.0))
        engines.go_on.set()
        done = (await client.until("response.done"))[-1]["response"]
        assert done["status"] == "completed"
        await client.until("response.done")
        assert len(engines.asked) == 2

    async def test_a_voice_that_dies_says_it_again(self, client: Client, engines: Engines) -> None:
        engines.voice_fails = [EngineDied("the voice died")]
        await client.write("Where?")
        await client.say("response.create")
        events = await client.until("response.done")
        assert events[-1]["response"]["status"] == "completed"
        sounds = [len(event["delta"]) * 3 / 4 for event in events if event["type"] == "response.output_audio.delta"]
        assert sum(sounds) / 2 / RATE == pytest.approx(6 * WORD_S, abs=0.01), "nothing twice, nothing lost"
        assert len(engines.spoken) == 2
