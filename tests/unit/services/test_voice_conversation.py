"""A conversation over `/ws/voice`: many turns on one line, each of which may be held, stopped or spoken over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.api.voice.outbox import MOST_MESSAGES, Outbox, SlowClient
from services.api.voice.told import Pause, Sound
from services.messages.audio import (
    Attach,
    OnlyWakeWordHeard,
    PlaybackStopped,
    SoundCaptured,
    SoundEnded,
    SpeechStarted,
    WakeWordHeard,
)
from services.messages.conversation import AnswerGrew, QuestionHeard, TurnFinished, TurnStarted
from services.messages.playback import PlaybackPaused, PlaybackResumed, SoundPlayed
from services.messages.turntaking import (
    BargeInDecided,
    EndUtterance,
    ListenNow,
    SpeechResumed,
    SpeechStopped,
    TranscriptGrew,
    Verdict,
)
from solo.bus import Bus, Event, Overflow
from solo.supervision import Context, ServiceStateChanged, State
from tests.stubs.voice import RATE, WITHIN_S, Client, Stage, connected, staged, summary


@pytest.fixture
async def stage(bus: Bus, ctx: Context) -> AsyncIterator[Stage]:
    async with staged(bus, ctx) as stage:
        yield stage


async def begin(client: Client, stage: Stage, **more: Any) -> Attach:
    await client.text({"type": "start", "mode": "conversation", **more})
    ready, listening = await client.next(), await client.next()
    assert (ready["type"], ready["sample_rate"], listening["type"]) == ("ready", 16_000, "listening")
    async with asyncio.timeout(WITHIN_S):
        attached = await stage.attached.get()
    assert attached.source == ready["source"]
    return attached


async def until(client: Client, kind: str) -> list[Any]:
    """Everything up to the first of this kind, which is the last of the list."""
    found = [await client.next()]
    while not isinstance(found[-1], dict) or found[-1]["type"] != kind:
        found.append(await client.next())
    return found


async def soon(condition: Any) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not condition():
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("said", "attached", "until_"),
    [
        ({}, (False, True, False, True), "speech"),
        ({"wake": True, "room": "kitchen"}, (True, False, False, True), "wake"),
        ({"manual": True}, (False, False, True, False), "press"),
        ({"barge_in": False}, (False, True, False, False), "speech"),
    ],
)
async def test_what_it_listens_for(ctx: Context, stage: Stage, said: Any, attached: Any, until_: str) -> None:
    async with connected(ctx, "/ws/voice") as client:
        await client.text({"type": "start", "mode": "conversation", "talk": "family", **said})
        assert (await client.next())["type"] == "ready"
        assert await client.next() == {"type": "listening", "until": until_, "word": None}
        made = await stage.attached.get()
    assert (made.wake, made.again, made.manual, made.barge_in) == attached
    assert (made.talk, made.profile, made.room) == ("family", "owner", said.get("room"))


async def test_turn_after_turn(bus: Bus, ctx: Context, stage: Stage) -> None:
    async with connected(ctx, "/ws/voice") as client:
        source = (await begin(client, stage)).source
        for turn in ("one", "two"):
            bus.publish(SpeechStarted(source=source, talk="default"))
            bus.publish(TranscriptGrew(source=source, utterance="u", committed="What is", tentative="the"))
            bus.publish(SpeechStopped(source=source, utterance="u"))
            bus.publish(SpeechResumed(source=source, utterance="u", silence_s=0.2))
            bus.publish(TurnStarted(source=source, turn_id=turn))
            bus.publish(QuestionHeard(source=source, text="What?", turn_id=turn))
            bus.publish(AnswerGrew(source=source, delta="Paris", turn_id=turn))
            bus.publish(AnswerGrew(source="somebody else", delta="not ours", turn_id=turn))
            assert [await client.next() for _ in range(7)] == [
                {"type": "speech", "state": "started"},
                {"type": "partial", "committed": "What is", "tentative": "the"},
                {"type": "speech", "state": "stopped"},
                {"type": "speech", "state": "resumed"},
                {"type": "started", "turn": turn},
                {"type": "heard", "turn": turn, "text": "What?"},
                {"type": "delta", "turn": turn, "text": "Paris"},
            ]
            await stage.say(b"\2\0" * 10, turn=turn)
            assert await client.next() == {"type": "sound", "turn": turn, "sample_rate": RATE}
            assert await client.next() == b"\2\0" * 10
            bus.publish(TurnFinished(source=source, summary=summary(source, turn_id=turn)))
            await stage.say(b"\3\0" * 10, turn=turn)
            await stage.say(b"", last=True, turn=turn)
            *sound, told, listening = await until(client, "listening")
            # The turn comes behind the last of its sound, although its fact came first.
            assert sound == [
                {"type": "sound", "turn": turn, "sample_rate": RATE},
                b"\3\0" * 10,
                {"type": "sound_end", "turn": turn},
            ]
            assert (told["type"], told["turn"]["turn_id"], listening["until"]) == ("turn", turn, "speech")


async def test_what_the_client_says_reaches_the_bus(bus: Bus, ctx: Context, stage: Stage) -> None:
    async with connected(ctx, "/ws/voice") as client:
        source = (await begin(client, stage, manual=True)).source
        async with bus.subscribe(Event, limit=99, overflow=Overflow.FAIL) as facts:
            await client.text({"type": "press"})
            await client.sound(b"\1\0" * 320)
            await client.text({"type": "release"})
            await client.text({"type": "played", "turn": "t", "played_ms": 1250})
            await client.text({"type": "end"})
            async with asyncio.timeout(WITHIN_S):
                pressed, sound, released, played, ended = [await anext(facts) for _ in range(5)]
        assert isinstance(pressed, ListenNow) and (pressed.source, pressed.hold) == (source, True)
        assert isinstance(sound, SoundCaptured) and sound.pcm == b"\1\0" * 320
        assert isinstance(released, EndUtterance) and isinstance(ended, SoundEnded)
        assert isinstance(played, SoundPlayed) and (played.played_turn, played.played_s) == ("t", 1.25)
        await client.text({"type": "volume", "volume": 0.5})
        assert (await until(client, "volume"))[-1] == {"type": "volume", "volume": 0.5}
        assert stage.volumes == [0.5]


async def test_speech_over_an_answer(bus: Bus, ctx: Context, stage: Stage) -> None:
    async with connected(ctx, "/ws/voice") as client:
        source = (await begin(client, stage)).source
        bus.publish(TurnStarted(source=source, turn_id="one"))
        await stage.say(b"\1\0", turn="one")
        await until(client, "sound")
        assert await client.next() == b"\1\0"
        bus.publish(PlaybackPaused(source=source))
        bus.publish(BargeInDecided(source=source, verdict=Verdict.RESUME, why="backchannel", decided_ms=300.0))
        bus.publish(PlaybackResumed(source=source))
        assert [await client.next() for _ in range(3)] == [
            {"type": "pause"},
            {"type": "barge_in", "verdict": "resume", "why": "backchannel", "decided_ms": 300.0},
            {"type": "resume"},
        ]
        bus.publish(PlaybackStopped(source=source, stopped_turn="one"))
        assert await client.next() == {"type": "stop", "turn": "one"}
        # What the stream still had of it is not sent; the next turn's is.
        await stage.say(b"\2\0", turn="one")
        await stage.say(b"", last=True, turn="one")
        told = summary(source, turn_id="one", outcome="cancelled")
        bus.publish(TurnFinished(source=source, summary=told))
        bus.publish(TurnStarted(source=source, turn_id="two"))
        await stage.say(b"\3\0", turn="two")
        rest = await until(client, "sound")
        assert [message["type"] for message in rest] == ["turn", "listening", "started", "sound"]
        assert await client.next() == b"\3\0"


async def test_interrupting_a_spoken_turn(bus: Bus, ctx: Context, stage: Stage) -> None:
    async with connected(ctx, "/ws/voice") as client:
        source = (await begin(client, stage)).source
        await client.text({"type": "interrupt"})  # of nothing: nothing happens
        bus.publish(TurnStarted(source=source, turn_id="one"))
        await until(client, "started")
        assert stage.silenced == []
        await client.text({"type": "interrupt"})
        assert await client.next() == {"type": "stop", "turn": "one"}
        assert stage.cancelled == ["one"]


async def test_typed_questions(bus: Bus, ctx: Context, stage: Stage) -> None:
    async with connected(ctx, "/ws/voice") as client:
        source = (await begin(client, stage)).source
        stage.hold = True
        await client.text({"type": "text", "text": "What?"})
        started, heard, delta = [await client.next() for _ in range(3)]
        turn = started["turn"]
        assert (heard["text"], delta) == ("What?", {"type": "delta", "turn": turn, "text": "Paris"})
        assert [(asked.text, asked.speak_to, asked.turn_id) for asked in stage.asked] == [("What?", source, turn)]
        # Another one ends it.
        await client.text({"type": "text", "text": "And Spain?"})
        rest = await until(client, "turn")
        assert rest[0] == {"type": "stop", "turn": turn}
        assert (rest[-1]["turn"]["turn_id"], rest[-1]["turn"]["outcome"]) == (turn, "cancelled")
        await soon(lambda: len(stage.asked) == 2)
        # So does somebody who speaks over its answer.
        second = stage.asked[1].turn_id
        bus.publish(TurnStarted(source=source, turn_id="spoken"))
        assert (await until(client, "turn"))[-1]["turn"]["turn_id"] == second
        assert [stop.turn_id for stop in stage.silenced] == [turn, second]


async def test_a_wake_word_is_told(bus: Bus, ctx: Context, stage: Stage) -> None:
    async with connected(ctx, "/ws/voice") as client:
        source = (await begin(client, stage, wake=True)).source
        bus.publish(WakeWordHeard(source=source, word="okay_nabu", at=1))
        bus.publish(OnlyWakeWordHeard(source=source, word="okay_nabu"))
        bus.publish(TurnFinished(source=source, summary=summary(source, outcome="no_speech", audio_s=0.0)))
        woken, again, turn = [await client.next() for _ in range(3)]
        assert woken == again == {"type": "listening", "until": "speech", "word": "okay_nabu"}
        assert turn["turn"]["outcome"] == "no_speech"


async def test_a_conversation_that_crashes_takes_its_turn_and_leaves_the_line(
    bus: Bus, ctx: Context, stage: Stage
) -> None:
    async with connected(ctx, "/ws/voice") as client:
        source = (await begin(client, stage)).source
        bus.publish(TurnStarted(source=source, turn_id="one"))
        await until(client, "started")
        bus.publish(ServiceStateChanged(name="conversation", state=State.BACKOFF))
        error, listening = await client.next(), await client.next()
        assert (error["error"]["code"], listening["type"]) == ("api.turn_lost", "listening")
        bus.publish(TurnStarted(source=source, turn_id="two"))
        await until(client, "started")


async def test_at_drain_the_turn_is_finished(bus: Bus, ctx: Context, stage: Stage) -> None:
    async with connected(ctx, "/ws/voice") as client:
        source = (await begin(client, stage)).source
        bus.publish(TurnStarted(source=source, turn_id="one"))
        await until(client, "started")
        ctx.stopping.set()
        bus.publish(TurnFinished(source=source, summary=summary(source, turn_id="one", audio_s=0.0)))
        rest = await client.rest()
        assert [message["type"] for message in rest] == ["turn", "listening", "error"]
        assert rest[-1]["error"]["code"] == "api.stopping"


@pytest.mark.parametrize(
    "said",
    [
        {"type": "start"},
        {"type": "stop"},
        {"type": "text", "text": ""},
        {"type": "played", "turn": "t", "played_ms": -1},
        {"type": "volume", "volume": 2},
        {"type": "press", "hold": True},
        "{",
        b"\0",
    ],
)
async def test_what_is_none_of_its_messages(ctx: Context, stage: Stage, said: Any) -> None:
    async with connected(ctx, "/ws/voice") as client:
        source = (await begin(client, stage)).source
        await (client.sound(said) if isinstance(said, bytes) else client.text(said))
        error = (await client.rest())[-1]
        assert error["error"]["code"] == "api.bad_voice_message"
    assert await asyncio.wait_for(stage.closed.get(), WITHIN_S) == source


@pytest.mark.parametrize(
    "start",
    [
        {"mode": "conversation", "text": "What?"},
        {"mode": "conversation", "manual": True, "wake": True},
        {"manual": True},
        {"room": "kitchen"},
        {"mode": "monologue"},
    ],
)
async def test_what_does_not_fit_together(ctx: Context, stage: Stage, start: Any) -> None:
    async with connected(ctx, "/ws/voice") as client:
        await client.text({"type": "start", **start})
        (error,) = await client.rest()
        assert error["error"]["code"] == "api.bad_voice_message"
        assert stage.attached.empty()


class Deaf:
    """A socket that takes nothing."""

    application_state = None

    async def send_text(self, text: str) -> None:
        await asyncio.Event().wait()


class TestOutbox:
    async def test_a_client_that_takes_nothing_is_given_up(self) -> None:
        outbox = Outbox(Deaf())  # type: ignore[arg-type]
        for _ in range(MOST_MESSAGES):
            outbox.tell(Pause())
        with pytest.raises(SlowClient):
            outbox.tell(Pause())

    async def test_sound_waits_for_room_and_can_be_forgotten(self) -> None:
        outbox = Outbox(Deaf())  # type: ignore[arg-type]

        async def fill() -> None:
            while True:
                await outbox.sound(Sound(turn="one", sample_rate=RATE), b"")

        filling = asyncio.create_task(fill())
        for _ in range(100):
            await asyncio.sleep(0)
        assert not filling.done()
        filling.cancel()
        outbox.forget("one")
        async with asyncio.timeout(WITHIN_S):
            await outbox.sound(Sound(turn="two", sample_rate=RATE), b"")


@pytest.mark.virtual_time
async def test_a_client_that_stalls_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    from starlette.websockets import WebSocketState

    deaf = Deaf()
    deaf.application_state = WebSocketState.CONNECTED  # type: ignore[assignment]
    outbox = Outbox(deaf)  # type: ignore[arg-type]
    outbox.tell(Pause())
    with pytest.raises(SlowClient):
        await outbox.run()
