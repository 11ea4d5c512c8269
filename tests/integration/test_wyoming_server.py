"""Solo's Wyoming server as the wyoming package's own client sees it, the engines played."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.intent import Recognize
from wyoming.ping import Ping
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop, SynthesizeVoice
from wyoming.wake import Detect

from services.wyoming import listening
from services.wyoming.door import MOST_CONNECTIONS, BadDoor, OpenDoor, Peers, open_door
from solo.bus import Bus
from solo.supervision import State
from tests.stubs.wyoming_house import RATE, WORD, Engines, opened, say, settles, until

SECOND = bytes(32_000)


def sound(pcm: bytes, rate: int = 16_000, width: int = 2, channels: int = 1, piece: int = 2048) -> list[Any]:
    chunks = [AudioChunk(rate, width, channels, pcm[at : at + piece]) for at in range(0, len(pcm), piece)]
    return [AudioStart(rate, width, channels), *chunks, AudioStop()]


def types(events: list[Event]) -> list[str]:
    """In a row once."""
    found: list[str] = []
    for event in events:
        if not found or found[-1] != event.type:
            found.append(event.type)
    return found


async def test_it_says_what_it_can_do(bus: Bus) -> None:
    async with opened(bus) as solo, solo.client() as client:
        await say(client, Describe())
        info = Info.from_event((await until(client, "info"))[-1])
    assert [model.name for model in info.asr[0].models] == ["tiny.en"]
    assert info.asr[0].models[0].languages == ["en"]
    assert info.asr[0].supports_transcript_streaming
    assert [(voice.name, voice.languages) for voice in info.tts[0].voices] == [
        ("en_US-joe", ["en_US"]),
        ("de_DE-eva", ["de_DE"]),
    ]
    assert info.tts[0].supports_synthesize_streaming
    assert info.handle[0].supports_handled_streaming
    assert info.wake == []  # nobody here says which words there are


async def test_a_ping_is_answered_with_its_text(bus: Bus) -> None:
    async with opened(bus) as solo, solo.client() as client:
        await say(client, Ping(text="are you there?"), Ping())
        assert [(await until(client, "pong"))[-1].data["text"] for _ in range(2)] == ["are you there?", None]


async def test_speech_is_written_down_whole_and_in_pieces(bus: Bus) -> None:
    async with opened(bus) as solo, solo.client() as client:
        asked = Transcribe(language="de-DE", transcript_names=["Anna"], transcript_terms=["lamp"])
        await say(client, asked, *sound(SECOND))
        events = await until(client, "transcript-stop")
        assert types(events) == ["transcript-start", "transcript-chunk", "transcript", "transcript-stop"]
        assert Transcript.from_event(events[2]).text == solo.engines.text
        [question] = solo.engines.transcribed
        assert (question.pcm, question.language, question.prompt) == (SECOND, "de", "Anna, lamp")


async def test_the_next_dictation_knows_nothing_of_the_one_before(bus: Bus) -> None:
    async with opened(bus) as solo, solo.client() as client:
        await say(client, Transcribe(language="de"), *sound(SECOND))
        await until(client, "transcript-stop")
        await say(client, *sound(SECOND[:3200]))
        await until(client, "transcript-stop")
        assert [(len(asked.pcm), asked.language) for asked in solo.engines.transcribed] == [
            (32_000, "de"),
            (3_200, None),
        ]


@pytest.mark.parametrize(("rate", "width", "channels"), [(44_100, 2, 2), (48_000, 4, 1), (8_000, 1, 1), (16_000, 3, 2)])
async def test_any_form_of_sound_is_taken(bus: Bus, rate: int, width: int, channels: int) -> None:
    async with opened(bus) as solo, solo.client() as client:
        await say(client, *sound(bytes(rate * width * channels), rate, width, channels))
        await until(client, "transcript-stop")
        [question] = solo.engines.transcribed
        assert abs(len(question.pcm) - 32_000) < 3_200
        assert solo.engines.converted[-1].last


async def test_text_is_spoken(bus: Bus) -> None:
    async with opened(bus) as solo, solo.client() as client:
        await say(client, Synthesize("Hello there. How are you?"))
        events = await until(client, "audio-stop")
        assert types(events) == ["audio-start", "audio-chunk", "audio-stop"]
        assert events[0].data["rate"] == RATE
        assert sum(len(event.payload or b"") for event in events) == 4 * 2 * (RATE // 10)
        assert [asked.text for asked in solo.engines.spoken] == ["Hello there.", "How are you?"]


async def test_text_that_is_still_coming_is_spoken_by_sentences(bus: Bus) -> None:
    async with opened(bus) as solo, solo.client() as client:
        await say(client, SynthesizeStart(voice=SynthesizeVoice(name="de_DE-eva")))
        await say(client, SynthesizeChunk("One sen"), SynthesizeChunk("tence. And "))
        first = await until(client, "audio-chunk")
        assert types(first) == ["audio-start", "audio-chunk"]
        await say(client, SynthesizeChunk("two"), Synthesize("One sentence. And two"), SynthesizeStop())
        assert types(await until(client, "synthesize-stopped"))[-2:] == ["audio-stop", "synthesize-stopped"]
        assert [(asked.text, asked.voice) for asked in solo.engines.spoken] == [
            ("One sentence.", "de_DE-eva"),
            ("And two", "de_DE-eva"),
        ]


async def test_nothing_to_say_has_an_end_too(bus: Bus) -> None:
    async with opened(bus) as solo, solo.client() as client:
        await say(client, Synthesize(" ... "))
        assert types(await until(client, "audio-stop")) == ["audio-start", "audio-stop"]


async def test_an_unknown_voice_is_named(bus: Bus) -> None:
    async with opened(bus) as solo, solo.client() as client:
        await say(client, Synthesize("Hello.", voice=SynthesizeVoice(name="nobody")))
        [error] = await until(client, "error")
        assert error.data["code"] == "wyoming.no_such_voice"
        await say(client, Synthesize("Hello.", voice=SynthesizeVoice(language="de_DE")))
        await until(client, "audio-stop")
        assert solo.engines.spoken[-1].language == "de"


@pytest.mark.parametrize("question", [Recognize("What now?"), Transcript("What now?")])
async def test_a_question_in_words_is_answered_word_by_word(bus: Bus, question: Any) -> None:
    async with opened(bus) as solo, solo.client() as client:
        await say(client, question)
        events = await until(client, "handled-stop")
        assert types(events) == ["handled-start", "handled-chunk", "handled", "handled-stop"]
        chunks = [event.data["text"] for event in events if event.type == "handled-chunk"]
        assert "".join(chunks) == events[-2].data["text"] == "Paris, I think."


async def test_a_conversation_has_a_history_of_its_own_and_gets_its_context_back(bus: Bus) -> None:
    async with opened(bus) as solo, solo.client() as client:
        context = {"conversation_id": "01J/../x"}
        await say(client, Transcript("What now?", context=context))
        assert (await until(client, "handled"))[-1].data["context"] == context
        assert solo.engines.asked[0].talk == "wyoming-01J_.._x"


async def test_a_question_without_an_answer_is_not_handled(bus: Bus) -> None:
    async with opened(bus, Engines(answer=(), outcome="failed")) as solo, solo.client() as client:
        await say(client, Recognize("What now?"), Recognize("  "))
        assert types(await until(client, "not-handled")) == ["not-handled"]
        assert types(await until(client, "not-handled")) == ["not-handled"]


async def test_a_wake_word_is_told_when_it_is_said(bus: Bus) -> None:
    async with opened(bus) as solo, solo.client() as client:
        await say(client, Detect(names=["okay_nabu"]), *sound(SECOND + WORD + SECOND))
        [event] = await until(client, "detection", "not-detected")
        assert (event.type, event.data["name"], event.data["timestamp"]) == ("detection", "okay_nabu", 1000)
        await say(client, Detect(), *sound(SECOND))
        assert types(await until(client, "detection", "not-detected")) == ["not-detected"]
        await say(client, Detect(names=["alexa"]), *sound(SECOND + WORD))
        assert types(await until(client, "detection", "not-detected")) == ["not-detected"]


async def test_a_file_sent_at_once_takes_nothing_from_those_who_speak(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All clients together give the wake service one piece in `PACE_S`."""
    slept: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await real(0)

    monkeypatch.setattr(listening.asyncio, "sleep", sleep)
    async with opened(bus) as solo, solo.client() as one, solo.client() as two:
        for client in (one, two):
            await say(client, Detect(), *sound(SECOND * 4))
        for client in (one, two):
            await until(client, "not-detected")
    assert slept.count(listening.PACE_S) == 2 * (25 + 1)


async def leaves(client: AsyncTcpClient) -> None:
    assert client._writer is not None
    client._writer.transport.abort()


@pytest.mark.parametrize(
    "request_", [sound(SECOND), [Synthesize("Hello.")], [Recognize("What now?")]], ids=["asr", "tts", "handle"]
)
async def test_who_leaves_frees_the_engine(bus: Bus, request_: list[Any]) -> None:
    async with opened(bus) as solo, solo.client() as client:
        solo.engines.hold.clear()
        await say(client, *request_)
        await settles(lambda: solo.engines.working == 1)
        await leaves(client)
        await settles(lambda: solo.engines.working == 0)
        assert solo.engines.left == 1
        await settles(lambda: solo.figures()["connections"] == 0)


async def test_a_slow_one_hurts_nobody(bus: Bus) -> None:
    """It asks for much and reads nothing."""
    async with opened(bus) as solo, solo.client() as slow, solo.client() as quick:
        await say(slow, *[Synthesize("Sentence. " * 3000) for _ in range(4)])
        await settles(lambda: len(solo.engines.spoken) > 20)
        for _ in range(5):
            await say(quick, Recognize("What now?"))
            await until(quick, "handled-stop")


async def test_garbage_ends_its_own_connection_alone(bus: Bus) -> None:
    async with opened(bus) as solo, solo.client() as good:
        for data in (b"GET / HTTP/1.1\r\n\r\n", b'{"type":"ping","payload_length":99999999999}\n', b"\x00" * 100_000):
            reader, writer = await asyncio.open_connection("127.0.0.1", solo.port)
            writer.write(data)
            told = json.loads((await reader.read(65536)).splitlines()[0])
            assert told["type"] == "error"
            writer.close()
        await say(good, Ping())
        await until(good, "pong")
        await settles(lambda: solo.figures()["refused"] == 3)
        await settles(lambda: bool(solo.engines.audited))
        assert {entry.code for asked in solo.engines.audited for entry in asked.entries} == {"wyoming.bad_frame"}


async def test_an_event_that_says_something_impossible_is_answered_and_the_connection_goes_on(bus: Bus) -> None:
    async with opened(bus) as solo, solo.client() as client:
        for event in (
            Event("audio-start", {"rate": "loud"}),
            Event("synthesize", {}),
            Event("synthesize", {"text": "a", "text_format": "ssml"}),
            Event("recognize", {"text": ["a"]}),
            Event("synthesize-chunk", {"text": "a"}),
            Event("transcribe", {"transcript_names": "Anna"}),
            Event("run-pipeline", {"start_stage": "asr"}),
        ):
            await client.write_event(event)
            assert (await until(client, "error"))[-1].data["code"] == "wyoming.bad_event"
        await client.write_event(Event("something-newer", {"a": 1}))
        await say(client, Ping())
        await until(client, "pong")


async def test_sound_without_end_is_refused_and_forgotten(bus: Bus) -> None:
    async with opened(bus) as solo, solo.client() as client:
        await say(client, AudioStart(16_000, 2, 1))
        for _ in range(5):
            await say(client, AudioChunk(16_000, 2, 1, bytes(800_000)))
        assert (await until(client, "error"))[-1].data["code"] == "wyoming.too_long"
        await say(client, AudioStop(), *sound(SECOND))
        await until(client, "transcript-stop")
        assert solo.service._hall.held == 0


async def test_fifty_at_once_and_not_one_too_many(bus: Bus) -> None:
    async with opened(bus) as solo:
        clients = [solo.client() for _ in range(MOST_CONNECTIONS)]
        for client in clients:
            await client.connect()
        for client in clients[:50]:
            await say(client, *sound(SECOND))
        for client in clients[:50]:
            await until(client, "transcript-stop")
        async with solo.client() as late:
            assert (await until(late, "error"))[-1].data["code"] == "wyoming.crowded"
            assert await late.read_event() is None
        for client in clients:
            await client.disconnect()
        await settles(lambda: solo.figures()["connections"] == 0)


async def test_what_was_asked_before_the_stop_is_answered(bus: Bus) -> None:
    async with opened(bus) as solo, solo.client() as busy, solo.client() as idle:
        solo.engines.hold.clear()
        await say(busy, *sound(SECOND))
        await settles(lambda: solo.engines.working == 1)
        solo.house.stop.set()
        assert await idle.read_event() is None
        solo.engines.hold.set()
        await until(busy, "transcript-stop")
        assert await busy.read_event() is None


def test_another_door_than_loopback_needs_names() -> None:
    with pytest.raises(OpenDoor) as refused:
        open_door("0.0.0.0:0", Peers(()))
    assert "SOLO_WYOMING__PEERS" in refused.value.line()
    open_door("0.0.0.0:0", Peers.parse(("192.168.1.0/24",))).close()
    for wrong in ("", "10300", "localhost:1", "127.0.0.1:x", "127.0.0.1:99999"):
        with pytest.raises(BadDoor):
            open_door(wrong, Peers(()))


@pytest.mark.parametrize(
    ("address", "taken"),
    [("127.0.0.1", True), ("::1", True), ("::ffff:127.0.0.1", True), ("192.168.1.7", True),
     ("::ffff:192.168.1.7", True), ("192.168.2.7", False), ("10.0.0.1", False), ("fe80::1%eth0", False), ("?", False)],
)  # fmt: skip
def test_only_those_named_are_taken(address: str, taken: bool) -> None:
    assert Peers.parse(("192.168.1.0/24",)).take(address) is taken


async def test_a_stranger_is_told_so_and_written_down(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Peers, "take", lambda self, address: False)
    async with opened(bus) as solo:
        async with solo.client() as client:
            assert (await until(client, "error"))[-1].data["code"] == "wyoming.peer_refused"
        await settles(lambda: bool(solo.engines.audited))
        [entry] = solo.engines.audited[0].entries
        assert (entry.action, entry.outcome, entry.address, entry.code) == (
            "denied",
            "denied",
            "127.0.0.1",
            "wyoming.peer_refused",
        )
        assert solo.house.state("wyoming").state is State.READY
