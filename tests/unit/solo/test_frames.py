"""The wire between daemon and child: what is sent arrives, and nothing that is sent by mistake does harm."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solo.isolation import frames
from solo.isolation.frames import LENGTH, MOST_BYTES, BadFrame, Frame, pack, receive, receive_blocking, unpack

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**63), max_value=2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)
frame = st.dictionaries(st.text(), values, max_size=4).flatmap(
    lambda fields: st.text().map(lambda kind: {**fields, "kind": kind})
)


async def through(data: bytes) -> Frame | None:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return await receive(reader)


@given(frame)
def test_what_is_sent_arrives_on_both_sides(sent: Frame) -> None:
    packed = pack(sent)
    assert receive_blocking(io.BytesIO(packed)) == sent
    assert asyncio.run(through(packed)) == sent


@given(st.lists(frame, max_size=4))
def test_one_behind_the_other(sent: list[Frame]) -> None:
    pipe = io.BytesIO(b"".join(map(pack, sent)))
    for one in sent:
        assert receive_blocking(pipe) == one
    assert receive_blocking(pipe) is None


@given(st.binary(max_size=64))
def test_sound_stays_the_same_bytes(pcm: bytes) -> None:
    back = receive_blocking(io.BytesIO(pack({"kind": "item", "value": pcm})))
    assert back is not None
    assert type(back["value"]) is bytes
    assert back["value"] == pcm


@given(frame, st.data())
def test_one_cut_short_is_the_end(sent: Frame, data: st.DataObject) -> None:
    packed = pack(sent)
    cut = data.draw(st.integers(min_value=0, max_value=len(packed) - 1))
    assert receive_blocking(io.BytesIO(packed[:cut])) is None
    assert asyncio.run(through(packed[:cut])) is None


@settings(max_examples=500)
@given(st.binary(max_size=200))
def test_garbage_is_a_bad_frame_and_nothing_else(garbage: bytes) -> None:
    """Either it happens to be a frame, or it ends too early, or it is refused by name."""
    try:
        got = receive_blocking(io.BytesIO(garbage))
    except BadFrame:
        return
    assert got is None or isinstance(got["kind"], str)


@settings(max_examples=500)
@given(st.binary(max_size=200))
def test_garbage_in_a_frame_too(garbage: bytes) -> None:
    try:
        got = unpack(garbage)
    except BadFrame:
        return
    assert isinstance(got["kind"], str)


@pytest.mark.parametrize(
    "body",
    [b"", b"\xc1", b"\x80", b"\x90", b"\xc0", b"\xa1x", b"\x81\xa4kind\x01", b"\x81\x90\x01", b"\xdd\xff\xff\xff\xff"],
    ids=["empty", "reserved", "no kind", "list", "none", "text", "kind of number", "list as key", "huge list"],
)
def test_what_is_no_frame(body: bytes) -> None:
    with pytest.raises(BadFrame):
        unpack(body)


@pytest.mark.parametrize("length", [MOST_BYTES + 1, 0xFFFFFFFF])
async def test_a_frame_said_to_be_too_long_is_refused_before_it_is_read(length: int) -> None:
    head = LENGTH.pack(length)
    with pytest.raises(BadFrame, match="over the limit"):
        receive_blocking(io.BytesIO(head))
    with pytest.raises(BadFrame, match="over the limit"):
        await through(head)


def test_a_frame_too_long_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "MOST_BYTES", 100)
    with pytest.raises(BadFrame, match="over the limit of 100"):
        pack({"kind": "call", "pcm": bytes(100)})


@pytest.mark.parametrize("value", [object(), {1, 2}, 2**64, {"a": object()}], ids=["object", "set", "big", "inside"])
def test_what_does_not_serialise_is_a_bug_of_the_sender(value: Any) -> None:
    with pytest.raises((TypeError, OverflowError)):
        pack({"kind": "call", "value": value})


@pytest.mark.parametrize("error", [ConnectionResetError(), BrokenPipeError()])
async def test_a_broken_pipe_is_the_end(error: ConnectionError) -> None:
    reader = asyncio.StreamReader()
    reader.set_exception(error)
    assert await receive(reader) is None
