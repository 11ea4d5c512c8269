"""The model's answer to a turn's question, as it grows; a model that dies in the middle goes on, once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Literal

from services.messages.language import ChatMessage, Complete, CompletionEnd, Sampling, TextDelta
from solo.errors import SoloError
from solo.supervision import Context

_TOKEN_WITHIN_S = 25.0
"""Longest wait for the next token: an engine that hangs is noticed in 10 s, and loads again meanwhile."""


@dataclass(frozen=True, slots=True)
class TurnPolicy:
    system_prompt: str
    max_tokens: int
    temperature: float
    top_p: float
    when_full: Literal["trim", "summarise"] = "trim"
    follow_up: Literal["never", "questions", "always"] = "questions"
    finished_ms: float = 200.0
    """Silence that ends an utterance whose words are a whole sentence."""
    unfinished_ms: float = 900.0
    """Silence that ends one that stops in mid-sentence."""
    speculate: bool = True
    """Answers begin inside the silence."""


@dataclass(slots=True)
class Thinking:
    ctx: Context
    policy: TurnPolicy
    profile: str
    spoken: bool
    turn: str
    prompt: Callable[[bool], tuple[ChatMessage, ...]]
    """The messages, with what is remembered or without."""
    forget: Callable[[], bool]
    """There is no room for what is remembered; False: nothing was."""
    said: str = ""
    end: CompletionEnd | None = None

    async def answer(self, may_repeat: Callable[[], bool]) -> AsyncGenerator[str, None]:
        """Yields the text as it grows. `may_repeat`: a failure is the model's, not that of who takes the text."""
        messages = self.prompt(True)
        for last_try in (False, True):
            try:
                async with self.ctx.stream(self._question(messages), within=_TOKEN_WITHIN_S, ahead=1) as parts:
                    async for part in parts:
                        if isinstance(part, TextDelta):
                            self.said += part.text
                            yield part.text
                        else:
                            self.end = part
                return
            except SoloError as error:
                if last_try or not may_repeat():
                    raise
                if error.code == "llm.prompt_too_long" and self.forget():
                    messages = self.prompt(False)
                elif not error.retryable:
                    raise
                self.ctx.log.warning("asking the model again", turn_id=self.turn, error=error.line())

    def _question(self, messages: tuple[ChatMessage, ...]) -> Complete:
        policy = self.policy
        return Complete(
            messages=messages,
            prefix=self.said,
            max_tokens=policy.max_tokens,
            sampling=Sampling(temperature=policy.temperature, top_p=policy.top_p),
            lane="voice" if self.spoken else "chat",
            profile=self.profile,
        )
