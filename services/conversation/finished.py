"""Do these words sound finished? Pure; the recogniser's punctuation is most of the evidence."""

from __future__ import annotations

import re

_GOES_ON_WORDS = """
a an and are as at because between but by can could did do does for from had has have how if in into is it its like my
of on or our please should so than that the their then these this those to uh um was were what when where which while
who why will with would your er erm hmm
"""
_GOES_ON = frozenset(_GOES_ON_WORDS.split())
"""English words that seldom end a sentence."""
_ENDS = re.compile(r"[.!?。！？…]['\")\]]*$")
_DOTS = re.compile(r"(?:\.\.\.|…|[,;:–—-])['\")\]]*$")
_LAST = re.compile(r"([^\W\d_]+)[^\w]*$")
_QUESTION_WORDS = frozenset({"what", "when", "where", "which", "who", "why", "how"})


def is_finished(text: str) -> bool | None:
    """None: nobody can tell."""
    text = text.strip()
    if not text:
        return None
    if _DOTS.search(text):
        return False
    last = _LAST.search(text)
    word = last[1].lower() if last else ""
    if _ENDS.search(text):
        # "What is it?" ends in a word of the list, and is a question all the same; "I would like the." is not.
        if text.endswith("?") and len(text.split()) > 2 and word not in {"the", "a", "an", "and", "or"}:
            return True
        return word not in _GOES_ON or (len(text.split()) == 1 and word in _QUESTION_WORDS)
    return False if word in _GOES_ON else None
