"""The WebSocket doors, spoken to as a server would: sound in, sound out, and everything that happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.messages.audio import SoundCaptured, SoundEnded
from services.messages.conversation import AnswerGrew, QuestionHeard, TurnFinished, TurnStarted
from solo.bus import Bus, Event, Overflow
from solo.isolation.engine import EngineDied
from solo.supervision import Context
from tests.stubs.voice import RATE, WITHIN_S, Client, Stage, connected, staged, summary


@pytest.fixture
async def stage(bus: Bus, ctx: Context) -> AsyncIterator[Stage]:
    async with staged(bus, ctx) as stage:
        yield stage


class TestVoice:
    async def start(self, client: Client, stage: Stage, **more: Any) -> str:
        await client.text({"type": "start", **more})
        ready = await client.next()
        assert ready["type"] == "ready"
        async with asyncio.timeout(WITHIN_S):
            attached = await stage.attached.get()
        assert attached.source == ready["source"]
        source: str = ready["source"]
        return source

    async def test_a_spoken_question(self, bus: Bus, ctx: Context, stage: Stage) -> None:
        async with connected(ctx, "/ws/voice") as client:
            async with bus.subscribe(Event, limit=99, overflow=Overflow.FAIL) as facts:
                source = await self.start(client, stage, talk="family")
                await client.sound(b"\1\0" * 320)
                await client.text({"type": "end"})
                async with asyncio.timeout(WITHIN_S):
                    heard, ended = await anext(facts), await anext(facts)
            assert isinstance(heard, SoundCaptured)
            assert (heard.source, heard.pcm) == (source, b"\1\0" * 320)
            assert isinstance(ended, SoundEnded)
            assert ended.source == source
            bus.publish(TurnStarted(source=source))
            bus.publish(QuestionHeard(source=source, text="What?"))
            bus.publish(AnswerGrew(source="somebody else", delta="not ours"))
            bus.publish(AnswerGrew(source=source, delta="Paris"))
            assert await client.next() == {"type": "heard", "text": "What?"}
            assert await client.next() == {"type": "delta", "text": "Paris"}
            await stage.say(b"\2\0" * 10)
            assert await client.next() == {"type": "sound", "sample_rate": RATE}
            assert await client.next() == b"\2\0" * 10
            bus.publish(TurnFinished(source=source, summary=summary(source)))
            await stage.say(b"\3\0" * 10)
            await stage.say(b"", last=True)
            rest = await client.rest()
        # The turn comes behind the last of the sound, although its fact came first.
        assert rest[:2] == [{"type": "sound", "sample_rate": RATE}, b"\3\0" * 10]
        assert (rest[2]["type"], rest[2]["turn"]["said"]) == ("turn", "Paris")
        assert len(rest) == 3
        assert await asyncio.wait_for(stage.closed.get(), WITHIN_S) == source

    async def test_a_typed_one_answered_aloud(self, ctx: Context, stage: Stage) -> None:
        async with connected(ctx, "/ws/voice") as client:
            source = await self.start(client, stage, text="What?", talk="family")
            rest = await client.rest()
        assert [(asked.text, asked.talk, asked.speak_to) for asked in stage.asked] == [("What?", "family", source)]
        kinds = [message["type"] if isinstance(message, dict) else "pcm" for message in rest]
        assert kinds == ["delta", "sound", "pcm", "turn"]

    @pytest.mark.parametrize("outcome", ["no_speech", "no_wake", "failed", "cancelled"])
    async def test_a_turn_without_sound_ends_at_once(self, bus: Bus, ctx: Context, stage: Stage, outcome: str) -> None:
        async with connected(ctx, "/ws/voice") as client:
            source = await self.start(client, stage, wake=True)
            bus.publish(TurnFinished(source=source, summary=summary(source, outcome=outcome, audio_s=0.0)))
            (turn,) = await client.rest()
        assert turn["turn"]["outcome"] == outcome

    @pytest.mark.parametrize(
        "first",
        ["", "{", "[]", '"start"', {}, {"type": "begin"}, {"type": "start", "speed": 2}, {"type": "start", "text": ""}],
    )
    async def test_what_is_no_start(self, ctx: Context, stage: Stage, first: Any) -> None:
        async with connected(ctx, "/ws/voice") as client:
            await client.text(first)
            (error,) = await client.rest()
        assert error["type"] == "error"
        assert error["error"]["code"] == "api.bad_voice_message"
        assert stage.attached.empty()

    async def test_sound_before_the_start(self, ctx: Context, stage: Stage) -> None:
        async with connected(ctx, "/ws/voice") as client:
            await client.sound(b"\0\0")
            (error,) = await client.rest()
        assert error["error"]["code"] == "api.bad_voice_message"

    @pytest.mark.parametrize("sent", [b"\0", b"\0\0" * 40_000, "end", {"type": "stop"}, "{"])
    async def test_what_is_no_sound(self, ctx: Context, stage: Stage, sent: Any) -> None:
        async with connected(ctx, "/ws/voice") as client:
            source = await self.start(client, stage)
            await (client.sound(sent) if isinstance(sent, bytes) else client.text(sent))
            (error,) = await client.rest()
        assert error["error"]["code"] == "api.bad_voice_message"
        assert await asyncio.wait_for(stage.closed.get(), WITHIN_S) == source

    async def test_a_client_that_leaves_closes_its_source(self, ctx: Context, stage: Stage) -> None:
        async with connected(ctx, "/ws/voice") as client:
            source = await self.start(client, stage)
            await client.leave()
            await client.over()
            assert await asyncio.wait_for(stage.closed.get(), WITHIN_S) == source

    async def test_a_failure_is_told_by_name(self, ctx: Context, stage: Stage) -> None:
        stage.error = EngineDied("gone", hint="Wait.")
        async with connected(ctx, "/ws/voice") as client:
            await client.text({"type": "start"})
            *_, error = await client.rest()
        assert error == {"type": "error", "error": {"code": "engine.died", "message": "gone", "hint": "Wait."}}


class TestEvents:
    async def test_everything_that_happens_but_sound(self, bus: Bus, ctx: Context) -> None:
        async with connected(ctx, "/ws/events") as client:
            for _ in range(5):  # until it has subscribed
                await asyncio.sleep(0)
            bus.publish(SoundCaptured(source="kitchen", pcm=b"\0\0"))
            bus.publish(QuestionHeard(source="kitchen", text="Wie spät? ✓"))
            told = await client.next()
        assert (told["kind"], told["source"], told["text"]) == ("QuestionHeard", "kitchen", "Wie spät? ✓")
        assert {"id", "wall", "monotonic", "turn_id"} <= told.keys()

    async def test_what_a_client_says_is_ignored(self, bus: Bus, ctx: Context) -> None:
        async with connected(ctx, "/ws/events") as client:
            await client.text("hello")
            await client.sound(b"\0")
            for _ in range(10):
                await asyncio.sleep(0)
            bus.publish(QuestionHeard(source="kitchen", text="What?"))
            assert (await client.next())["text"] == "What?"

    async def test_a_client_that_leaves_is_unsubscribed(self, bus: Bus, ctx: Context) -> None:
        async with connected(ctx, "/ws/events") as client:
            await client.leave()
            await client.over()
        assert bus.statistics().mailboxes == ()

    async def test_the_end_of_solo_is_told(self, ctx: Context) -> None:
        async with connected(ctx, "/ws/events") as client:
            for _ in range(5):
                await asyncio.sleep(0)
            ctx.stopping.set()
            assert await client.next() is None
