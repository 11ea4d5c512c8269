"""Finds the texts with which a chat template begins and ends turns, in prompts that it has rendered."""

from __future__ import annotations

import re
from collections.abc import Sequence

from services.formats.marking import Part, Slot

MARKER = re.compile(r"<</?SYS>>|<[^<>\s][^<>\n]{0,60}>|\[/?[A-Z_]{2,30}\]")
"""Such as `<|im_end|>`, `</s>`, `[INST]`: special tokens, which a model may also spell out."""
PLAIN = re.compile(r"</?[A-Za-z]{1,20}>")
"""Markers that may as well be HTML or a place to be filled in (`<s>`, `<user>`): alone they say nothing, except as the
very last of an answer."""
ROLE = re.compile(r"(?:user|human|assistant|model|bot|ai|system|developer|tool|ipython)\b(?!:)")
NAMED = re.compile(r"[#\s]*[A-Z][A-Za-z0-9 ]{1,30}:\s*")
"""A role as text of its own, such as `USER:` or `### Instruction:`."""


def turn_marks(parts: Sequence[Part], end: str) -> tuple[str, ...]:
    """Texts that begin or end a turn, the longest first. `parts`: a rendered conversation; `end`: the model's token for
    the end of an answer.

    A marker comes with the role behind it where there is one ("<|im_start|>user"); a role without a marker ("USER:")
    with the line break before it, since it may well be said within a line. What stands before the first and behind the
    last message is left out: there a template may say anything.
    """
    said = [index for index, part in enumerate(parts) if isinstance(part, Slot)]
    between = [part for part in parts[said[0] : said[-1]] if isinstance(part, str)]
    found = {mark for text in between for mark in _marks_in(text)}
    everything = "".join(part for part in parts if isinstance(part, str))
    others = {mark.removesuffix("user") + "system" for mark in found if mark.endswith("user")}
    found |= {mark for mark in others if mark in everything}
    if MARKER.fullmatch(end):
        found.add(end)
    return tuple(sorted(found, key=lambda mark: (-len(mark), mark)))


def _marks_in(text: str) -> set[str]:
    found: set[str] = set()
    rest = ""
    last = 0
    plain = -1
    for marker in MARKER.finditer(text):
        rest += text[last : marker.start()]
        last = marker.end()
        if role := ROLE.match(text, last):
            last = role.end()
        if plain >= 0:
            found.add(text[plain:last])
        if role or not PLAIN.fullmatch(marker[0]):
            found.add(text[marker.start() : last])
            plain = -1
        else:
            plain = marker.start()
    rest += text[last:]
    found |= {"\n" + line.strip() for line in rest.split("\n") if NAMED.fullmatch(line)}
    return {mark for mark in found if "think" not in mark.lower()}
