"""Takes the calls of tools out of an answer while it is being written."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Collection

from services.formats.call_forms import MOST_CALLS, Called, CallForm
from services.llm.engine import ToolCall

BARE = tuple(
    tag + begin
    for tag in ("", "<|python_tag|>")
    for begin in ('{"name":"', '{"function":"', '{"type":"function","name":"', '{"type":"function","function":"')
)
"""How an answer begins that is nothing but a call, as Llama's are; blanks do not count."""
LONGEST_BEGINNING = 200
"""Characters after which an answer is no call, when none has been recognised."""


class ToolReader:
    """Text in, as it comes; text that is certainly no call out at once; the calls at the end.

    What looks like a call and is none (broken JSON, arguments that are no object, an unknown name) is text like any
    other, and given back as it was written.
    """

    def __init__(self, form: CallForm, names: Collection[str], seed: int | None = None) -> None:
        """`names`: of the tools there are; `seed`: the same calls get the same ids."""
        self._form = form
        self._names = frozenset(names)
        self._seed = seed
        self._held = ""
        self._blanks = ""
        """What stood before the opening, in case that it opens no call."""
        self._within = False
        self._decided = bool(form.opening)
        self.calls: list[ToolCall] = []
        """The calls so far, complete ones only."""

    def add(self, text: str) -> str:
        """The text that is certainly no call; may be empty."""
        self._held += text
        if not self._decided:
            if self._may_begin():
                return ""
            self._decided = True
        if not self._form.opening:
            said, self._held = ("", self._held) if self._within else (self._held, "")
            return said
        said = ""
        while True:
            if not self._within:
                before, opening, behind = self._held.partition(self._form.opening)
                if not opening:
                    # Blanks between text and a call, or between calls, are nobody's words: wait for what follows.
                    certain = before[: len(before) - self._unfinished(self._form.opening)].rstrip()
                    self._held = before[len(certain) :]
                    return said + certain
                said += before.rstrip()
                self._blanks = before[len(before.rstrip()) :]
                self._within, self._held = True, behind
            closing = self._form.closing
            if not closing or closing not in self._held:
                return said
            body, _, self._held = self._held.partition(closing)
            self._within = False
            said += self._taken(body, self._blanks + self._form.opening + body + closing)

    def rest(self) -> str:
        """What was held back for a call that did not come, or did not come to its end."""
        held, self._held = self._held, ""
        if not self._within:
            return "" if self.calls and not held.strip() else held
        self._within = False
        return self._taken(held.replace("<|python_tag|>", "", 1), self._blanks + self._form.opening + held)

    def _taken(self, body: str, written: str) -> str:
        """Nothing where `body` is calls, else what was `written`."""
        calls = self._form.read(body)
        known = calls is not None and all(call.name in self._names for call in calls)
        if calls is None or not known or len(self.calls) + len(calls) > MOST_CALLS:
            return written
        for call in calls:
            arguments = json.dumps(call.arguments, ensure_ascii=False)
            self.calls.append({"id": self._id(call), "name": call.name, "arguments": arguments})
        return ""

    def _id(self, call: Called) -> str:
        if self._seed is None:
            return f"call_{secrets.token_hex(8)}"
        said = f"{self._seed} {len(self.calls)} {call.name} {json.dumps(call.arguments)}"
        return f"call_{hashlib.sha256(said.encode()).hexdigest()[:16]}"

    def _may_begin(self) -> bool:
        """Whether the answer may still become nothing but a call; sets `_within` once it is certain that it begins as
        one does."""
        begun = re.sub(r"\s+", "", self._held)
        name, quote, _ = next((begun[len(way) :] for way in BARE if begun.startswith(way)), "").partition('"')
        self._within = bool(quote) and name in self._names
        if self._within or quote or len(self._held) > LONGEST_BEGINNING:
            return False
        ways = [way + known for way in BARE for known in self._names]
        return any(way.startswith(begun) for way in ways)

    def _unfinished(self, mark: str) -> int:
        """Characters at the end of the held text that are a beginning of `mark`."""
        return next((n for n in range(min(len(mark) - 1, len(self._held)), 0, -1) if self._held.endswith(mark[:n])), 0)
