"""Counts a question from its beginning to its end, and tells whoever keeps figures."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from services.messages.language import Complete, CompletionEnd
from services.messages.pool import QuestionAnswered
from solo.errors import SoloError
from solo.supervision import Context


@dataclass(slots=True)
class Watch:
    """Of one question."""

    began: float
    """Monotonic seconds, as `first`."""
    first: float | None = None
    """When the first piece of the answer came."""
    end: CompletionEnd | None = None


@contextmanager
def watched(ctx: Context, question: Complete) -> Iterator[Watch]:
    """Publishes `QuestionAnswered` behind the block, in which `first` and `end` are noted."""
    watch = Watch(time.monotonic())
    code = ""
    try:
        yield watch
    except SoloError as error:
        code = error.code
        raise
    finally:
        end = watch.end
        ctx.publish(
            QuestionAnswered(
                lane=question.lane,
                outcome="failed" if code else "cancelled" if end is None else "answered",
                code=code,
                model="" if end is None else end.model,
                role="" if end is None else end.role,
                fell_back=end is not None and bool(end.fallback),
                from_cache=end is not None and end.from_cache,
                waited_s=0.0 if end is None else end.waited_s,
                first_token_s=None if watch.first is None else watch.first - watch.began,
                seconds=time.monotonic() - watch.began,
                tokens=0 if end is None else end.completion_tokens,
            )
        )
