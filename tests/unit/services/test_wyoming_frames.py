"""Wyoming's frames, within limits; where a peer is; what a sound is."""

from __future__ import annotations

import asyncio
import json
import random

import pytest
from wyoming.event import Event
from wyoming.pipeline import RunPipeline
from wyoming.tts import Synthesize

from services.formats.wyoming.frames import (
    MOST_DATA,
    MOST_LINE,
    MOST_PAYLOAD,
    BadEvent,
    BadFrame,
    packed,
    read,
    receive,
    text_of,
)
from services.formats.wyoming.place import Place
from services.formats.wyoming.sounds import SOLO, Form


async def received(data: bytes, *, ends: bool = True) -> list[Event]:
    reader = asyncio.StreamReader(limit=MOST_LINE)
    reader.feed_data(data)
    if ends:
        reader.feed_eof()
    found = []
    while (event := await receive(reader, 0.05)) is not None:
        found.append(event)
    return found


async def test_what_the_package_writes_is_read() -> None:
    events = [
        Event("ping", {"text": "ä"}),
        Event("audio-chunk", {"rate": 16000, "width": 2, "channels": 1}, b"\n{}\x00" * 100),
        Event("describe"),
    ]
    assert await received(b"".join(map(packed, events))) == events


async def test_data_in_the_line_and_behind_it_are_one() -> None:
    data = json.dumps({"b": 2, "c": 3}).encode()
    line = json.dumps({"type": "x", "data": {"a": 1, "b": 1}, "data_length": len(data)}).encode()
    [event] = await received(line + b"\n" + data)
    assert event.data == {"a": 1, "b": 2, "c": 3}


HOSTILE = {
    "no JSON": b"GET / HTTP/1.1\r\n\r\n",
    "an empty line": b"\n",
    "a list": b"[]\n",
    "no type": b"{}\n",
    "a type that is a number": b'{"type": 1}\n',
    "a type without end": json.dumps({"type": "x" * 65}).encode() + b"\n",
    "a line without end": b'{"type": "' + b"x" * (MOST_LINE + 10),
    "data that is a list": b'{"type": "x", "data": []}\n',
    "deep": b"[" * 50_000 + b"\n",
    "not UTF-8": b'{"type": "\xff"}\n',
    "a number of 10 000 digits": b'{"type": "x", "data_length": ' + b"9" * 10_000 + b"}\n",
    "a negative length": b'{"type": "x", "payload_length": -1}\n',
    "a length that is a text": b'{"type": "x", "payload_length": "5"}\n',
    "a length that is true": b'{"type": "x", "payload_length": true}\n',
    "half a byte": b'{"type": "x", "payload_length": 1.5}\n',
    "more data than is taken": json.dumps({"type": "x", "data_length": MOST_DATA + 1}).encode() + b"\n",
    "more payload than is taken": json.dumps({"type": "x", "payload_length": MOST_PAYLOAD + 1}).encode() + b"\n",
    "2^63 bytes": json.dumps({"type": "x", "payload_length": 2**63}).encode() + b"\n",
    "data that is no JSON": b'{"type": "x", "data_length": 3}\nabc',
    "data that is no object": b'{"type": "x", "data_length": 3}\n[1]',
    "cut in the line": b'{"type": "x"',
    "cut in the data": b'{"type": "x", "data_length": 3}\n{',
    "cut in the payload": b'{"type": "x", "payload_length": 3}\n{',
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
async def test_what_is_no_event_is_refused(data: bytes) -> None:
    with pytest.raises(BadFrame):
        await received(data)


async def test_an_event_that_does_not_go_on_is_refused() -> None:
    with pytest.raises(BadFrame, match="within"):
        await received(b'{"type": "x", "payload_length": 3}\n{', ends=False)


async def test_noise_is_read_or_refused_and_nothing_else() -> None:
    rng = random.Random(6)
    good = packed(Event("audio-chunk", {"rate": 16000, "width": 2, "channels": 1}, bytes(64)))
    for _ in range(3000):
        spoilt = bytearray(good * 2)
        for _ in range(rng.randrange(1, 6)):
            spoilt[rng.randrange(len(spoilt))] = rng.randrange(256)
        try:
            await received(bytes(spoilt))
        except BadFrame:
            continue


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (Synthesize, {}),
        (Synthesize, {"text": "a", "voice": 1}),
        (RunPipeline, {"start_stage": "x", "end_stage": "tts"}),
        (RunPipeline, {"start_stage": "tts", "end_stage": "asr"}),
        (RunPipeline, {"start_stage": [], "end_stage": {}}),
    ],
)
def test_events_that_lack_something_are_refused_by_name(kind: type, data: dict[str, object]) -> None:
    with pytest.raises(BadEvent):
        read(kind, Event("x", data))


def test_texts_are_texts_of_bounded_length() -> None:
    assert text_of("ä\ud83d", "it", 2) == "ä?"
    for wrong in (None, 1, [], "abc"):
        with pytest.raises(BadEvent):
            text_of(wrong, "it", 2)


@pytest.mark.parametrize(
    "text", ["tcp://kitchen:10700", "wyoming://kitchen:10700/", "kitchen:10700", " Kitchen:10700 "]
)
def test_a_place_is_written_in_several_ways(text: str) -> None:
    assert Place.parse(text) == Place("kitchen", 10700)


def test_a_place_of_version_six() -> None:
    place = Place.parse("tcp://[fd00::2]:10300")
    assert (place.host, place.port, str(place)) == ("fd00::2", 10300, "[fd00::2]:10300")
    assert str(place.endpoint("x")) == "[fd00::2]:10300"


@pytest.mark.parametrize(
    "text", ["", "kitchen", "tcp://", "tcp://kitchen", "kitchen:0", "kitchen:70000", "10.0.0.0/8", "a b:1"]
)
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="tcp://host:port"):
        Place.parse(text)


def test_a_chunk_says_what_it_is_or_is_as_the_start_said() -> None:
    known = Form.of(Event("audio-start", {"rate": 48000, "width": 3, "channels": 2}))
    assert known == Form(48000, 3, 2)
    assert known.bytes_a_second == 288_000
    assert Form.of(Event("audio-chunk", {}), known) == known
    assert Form.of(Event("audio-chunk", {"rate": 16000, "width": 2, "channels": 1}), known) == SOLO


@pytest.mark.parametrize(
    "wrong",
    [{"rate": 0}, {"rate": 2**40}, {"rate": "16000"}, {"rate": True}, {"rate": 16000.5}, {"width": 5}, {"width": 0},
     {"channels": 0}, {"channels": 9}, {"rate": None}],
)  # fmt: skip
def test_an_impossible_sound_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadEvent):
        Form.of(Event("audio-start", {"rate": 16000, "width": 2, "channels": 1} | wrong))
