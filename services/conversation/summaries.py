"""A short summary of what no longer fits a talk's prompt, made in the background by another model or slot."""

from __future__ import annotations

import asyncio
import re
import time

from services.conversation.talks import MOST_EXCHANGES, Absent, Talk, Talks
from services.messages.language import ChatMessage, Complete, CompletionEnd
from solo.errors import SoloError
from solo.supervision import Context

WITHIN_S = 120.0
"""Longest time for one, in seconds: it is made behind everything else, and the talk does not wait for it."""
AGAIN_S = 60.0
"""After one that failed, this talk is left alone for so many seconds."""
MOST_CHARS = 4000
"""Of what is summarised at once: about 1000 tokens, half of the smallest model's context."""
MOST_SUMMARY_CHARS = 800
_MOST_TOKENS = 200
_INSTRUCTIONS = (
    "Summarise the conversation between user and assistant in at most five short sentences, in its own language. Keep "
    "names, numbers, dates, decisions and what the user wants. Add nothing."
)
_SENTENCE_END = re.compile(r"[.!?…。！？](?=\s|$)")


class Summaries:
    """At most one under way for each talk; a talk's texts go only to the models, on behalf of its own profile."""

    def __init__(self, ctx: Context, tasks: asyncio.TaskGroup, talks: Talks) -> None:
        self._ctx = ctx
        self._tasks = tasks
        self._talks = talks
        self._under_way: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._not_before: dict[tuple[str, str], float] = {}

    def consider(self, profile: str, name: str, dropped: int, absent: Absent) -> None:
        """After a turn whose prompt `dropped` messages of the history did not fit; also when the talk is full.

        `absent` is what was absent then: where that has changed, a summary came while the turn was under way.
        """
        talk, spot = self._talks.find(profile, name), (profile, name)
        if talk is None or spot in self._under_way or time.monotonic() < self._not_before.get(spot, 0.0):
            return
        if self._talks.absent(profile, name) != absent:
            dropped = 0
        if not dropped and len(talk.exchanges) < MOST_EXCHANGES:
            return
        # Half of it at once: the prompt's beginning then stays the same for many turns.
        count = min(max(-(-dropped // 2), len(talk.exchanges) // 2), len(talk.exchanges) - 1)
        if count < 1:
            return
        task = self._tasks.create_task(self._summarise(profile, name, talk, count), name="summary")
        self._under_way[spot] = task
        task.add_done_callback(lambda _: self._under_way.pop(spot))

    def stop(self) -> None:
        for task in self._under_way.values():
            task.cancel()

    async def _summarise(self, profile: str, name: str, talk: Talk, count: int) -> None:
        first, text = talk.left, _text(talk, count)
        try:
            summary = _checked(await self._ask(profile, text), text)
        except TimeoutError:
            summary, why = "", "it took too long"
        except SoloError as error:
            summary, why = "", error.line()
        else:
            why = "the model wrote none that could be used"
        if summary:
            talk.summarise(summary, first, count)
            self._not_before.pop((profile, name), None)
            self._ctx.log.info("a talk's beginning is summarised", exchanges=count, characters=len(summary))
        else:
            now = time.monotonic()
            self._not_before = {spot: until for spot, until in self._not_before.items() if until > now}
            self._not_before[profile, name] = now + AGAIN_S
            self._ctx.log.warning("a talk's beginning is not summarised", why=why)

    async def _ask(self, profile: str, text: str) -> str:
        question = Complete(
            messages=(ChatMessage(role="system", content=_INSTRUCTIONS), ChatMessage(role="user", content=text)),
            task="summary",
            lane="batch",
            max_tokens=_MOST_TOKENS,
            profile=profile,
            cached=False,  # it hardly comes again, and is about a person
        )
        said = ""
        async with asyncio.timeout(WITHIN_S):
            async with self._ctx.stream(question, within=WITHIN_S) as parts:
                async for part in parts:
                    said += "" if isinstance(part, CompletionEnd) else part.text
        return said


def _text(talk: Talk, count: int) -> str:
    """The summary so far and the exchanges, each side cut to its share."""
    share = MOST_CHARS // (2 * count)
    lines = [f"Earlier: {talk.summary}"] if talk.summary else []
    for heard, said in talk.exchanges[:count]:
        lines += [f"User: {_short(heard, share)}", f"Assistant: {_short(said, share)}"]
    return "\n".join(lines)


def _short(text: str, most: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def _checked(said: str, text: str) -> str:
    """Whole sentences only; empty when it is none: nothing, no shorter than the text itself, or no end in sight."""
    line = " ".join(said.split())[:MOST_SUMMARY_CHARS]
    ends = [found.end() for found in _SENTENCE_END.finditer(line)]
    if not ends or ends[-1] >= len(text):
        return ""
    return line[: ends[-1]]
