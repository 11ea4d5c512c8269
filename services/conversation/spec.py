"""Conversation: settings and how it is made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from services.conversation.service import ANSWERS, ConversationService, Tuned
from services.conversation.talks import Talks
from services.conversation.thinking import TurnPolicy
from solo.parts import Part
from solo.settings import MachineSettings
from solo.storage import Database
from solo.supervision import ServiceSpec


class ConversationSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    system_prompt: str = "You are Solo, a helpful voice assistant. Answer in one or two short sentences."
    """What the model is told before every talk."""
    max_tokens: int = Field(default=160, ge=1, le=8192)
    """Longest answer."""
    temperature: float = Field(default=0.0, ge=0, le=2)
    """0: always the likeliest answer; higher: more varied."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Share of the probability that is sampled from, at a temperature above 0."""
    when_full: Literal["trim", "summarise"] = "trim"
    """What becomes of a talk's beginning that no longer fits: `trim` leaves it out, `summarise` keeps a summary.

    The role `fast` writes it, which the packaged model is too small to do well."""
    forget_after_s: float = Field(default=300.0, gt=0)
    """Silence after which a talk begins afresh."""
    finished_ms: float = Field(default=200.0, ge=0, le=5000)
    """Silence that ends a question whose words are a whole sentence."""
    unfinished_ms: float = Field(default=900.0, ge=100, le=10_000)
    """Silence that ends a question which stops in mid-sentence."""
    follow_up: Literal["never", "questions", "always"] = "questions"
    """Which answers are followed by a while in which no wake word is needed."""
    speculate: bool = True
    """Answers begin inside the silence after a question; what was begun in vain costs processor time only."""


def specs(settings: ConversationSettings, machine: MachineSettings, _: Database) -> Sequence[ServiceSpec]:
    talks = Talks(settings.forget_after_s)
    tuned = Tuned(
        TurnPolicy(
            system_prompt=settings.system_prompt,
            max_tokens=settings.max_tokens,
            temperature=settings.temperature,
            top_p=settings.top_p,
            when_full=settings.when_full,
            follow_up=settings.follow_up,
            finished_ms=settings.finished_ms,
            unfinished_ms=settings.unfinished_ms,
            speculate=settings.speculate,
        )
    )
    return [
        ServiceSpec(
            name="conversation",
            make=lambda: ConversationService(tuned, talks),
            drain_within=machine.drain_s,
            essential=True,
            answers=ANSWERS,
        )
    ]


PART = Part(name="conversation", settings=ConversationSettings, specs=specs)
