"""`solo listen`: the microphone listens now, without the wake word; push-to-talk with --hold."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from solo.cli.client import TURN_WITHIN_S, Client
from solo.cli.exits import Exit
from solo.cli.show import err, out, turn_lines
from solo.settings import MachineSettings, load

_MOST_HELD_S = 120.0
"""Longer than recognition takes at a time, so nothing would come of it."""


@dataclass(frozen=True, slots=True)
class Wish:
    source: str
    hold: bool
    seconds: float | None
    as_json: bool


def listen(wish: Wish) -> Exit:
    client = Client(load(MachineSettings, strict=False))
    turn = asyncio.run(_listen(client, wish))
    if turn is None:
        if wish.as_json:
            out.print_json(json.dumps({"outcome": "no_speech"}))
        err.print(Text("Nothing was said. Speak within some seconds, closer to the microphone."), soft_wrap=True)
        return Exit.NOTHING_HEARD
    if wish.as_json:
        out.print_json(json.dumps(turn))
    else:
        out.print()
        turn_lines(turn)
    if (error := turn["error"]) is not None:
        err.print(Text(f"{error['message']} [{error['code']}]"), soft_wrap=True)
    return Exit.OK if turn["outcome"] == "answered" else Exit.FAILED


async def _listen(client: Client, wish: Wish) -> dict[str, Any] | None:
    """The turn that came of it; None: nothing was said."""
    body = {"source": wish.source}
    async with client.facts() as facts:
        # Only now: what happens from here on is not missed.
        await asyncio.to_thread(client.post, "/api/listen", body | {"hold": wish.hold})
        if not wish.as_json:
            how = "press Enter when you have finished" if wish.hold and wish.seconds is None else "speak now"
            err.print(Text(f"Listening: {how}."), soft_wrap=True)
        ending = asyncio.ensure_future(_end(client, wish, body))
        try:
            async with asyncio.timeout(TURN_WITHIN_S + _MOST_HELD_S):
                return await follow(facts, wish.source, _plain if not wish.as_json else _silent)
        finally:
            ending.cancel()
            await asyncio.gather(ending, return_exceptions=True)


async def _end(client: Client, wish: Wish, body: dict[str, Any]) -> None:
    """Say that the speaker has finished: after the seconds, or at Enter, or when interrupted."""
    if not wish.hold and wish.seconds is None:
        return
    try:
        limit = _MOST_HELD_S if wish.seconds is None else wish.seconds
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await (_enter() if wish.seconds is None else asyncio.Event().wait())
    except asyncio.CancelledError:
        client.post("/api/listen/end", body)
        raise
    await asyncio.to_thread(client.post, "/api/listen/end", body)


async def _enter() -> None:
    """A line on standard input. Where that is not a terminal its end counts as well."""
    loop, read = asyncio.get_running_loop(), asyncio.Event()
    try:
        loop.add_reader(sys.stdin.fileno(), read.set)
    except (NotImplementedError, OSError, ValueError):
        await asyncio.to_thread(sys.stdin.readline)
        return
    try:
        await read.wait()
    finally:
        loop.remove_reader(sys.stdin.fileno())


async def follow(
    facts: AsyncIterator[dict[str, Any]], source: str, tell: Callable[[str, str], None]
) -> dict[str, Any] | None:
    """Until the turn of this source is over; `tell` gets `heard` and `delta` as they come."""
    async for fact in facts:
        if fact.get("source") != source:
            continue
        kind = fact["kind"]
        if kind == "QuestionHeard":
            tell("heard", fact["text"])
        elif kind == "AnswerGrew":
            tell("delta", fact["delta"])
        elif kind == "TurnFinished":
            summary: dict[str, Any] = fact["summary"]
            return None if summary["outcome"] in {"no_speech", "no_wake"} else summary
        elif kind in {"NothingHeard", "SourceClosed"}:
            return None
    return None


def _plain(what: str, text: str) -> None:
    if what == "heard":
        out.print(Text(f"> {text}"), soft_wrap=True)
    else:
        out.print(Text(text), end="", soft_wrap=True)


def _silent(_what: str, _text: str) -> None:
    return
