"""An engine that costs nothing: what is measured around it is the way to it and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.llm.adapters import fake
from services.llm.adapters.fake import FakeLLM
from solo.parts import Tree

WORD_S = 0.02
"""Seconds a word takes the paced engine: 50 tokens/s for each stream, a usual pace."""
_WORDS = 400
_NAP_S = 0.0005
"""Between two looks at who has come: a question is taken on at once, so that its first word is late by nothing."""
_ANSWER = " ".join(["word"] * _WORDS)


class Paced(FakeLLM):
    """Says words at a usual pace to everybody at the same time, as many as are asked for."""

    def __init__(self, **options: Any) -> None:
        fake.NAP_S = _NAP_S
        super().__init__(**{**options, "answer": _ANSWER, "delay_s": WORD_S, "slots": 64, "context": 8192})


class Hasty(FakeLLM):
    """Says words as fast as they are taken."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "answer": _ANSWER, "delay_s": 0.0, "slots": 64, "context": 8192})


def paced(flags: Mapping[str, Any]) -> Tree:
    """Solo as it is, but for the engine."""
    return _tree(flags, "Paced")


def hasty(flags: Mapping[str, Any]) -> Tree:
    return _tree(flags, "Hasty")


def _tree(flags: Mapping[str, Any], engine: str) -> Tree:
    import services.app
    import services.llm.spec

    services.llm.spec._ADAPTERS["fake"] = f"{__name__}:{engine}"
    return services.app.tree(flags)


def main() -> None:
    import sys

    from solo.cli.run import run

    sys.exit(run(f"{__spec__.name}:{sys.argv[1]}", audio="none", port=None, self_test=False, dashboard=False))


if __name__ == "__main__":
    main()
