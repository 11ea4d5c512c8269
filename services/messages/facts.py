"""What is worth keeping about a person."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from services.messages.profiles import OWNER
from solo.bus import Event, Request


class Fact(BaseModel):
    """Something worth keeping about a person."""

    model_config = ConfigDict(frozen=True)

    id: str
    """A UUID."""
    text: str
    """One sentence."""
    subject: str
    """What it is about, such as `name` or `likes`; a newer fact about a subject of one value replaces the older."""
    created_at: str
    """ISO 8601 UTC."""
    updated_at: str
    """ISO 8601 UTC; later than `created_at` when it was said again, or edited."""
    turn_id: str | None = None
    """The turn in which it was said; None: told directly."""


class Remember(Request[Fact]):
    """Keep a fact. Acknowledged after COMMIT; the same id or the same words again change nothing."""

    idempotent = True

    profile: str = OWNER
    """Whose memory."""
    text: str = Field(min_length=1, max_length=2000)
    """One sentence."""
    subject: str = "note"
    """See `Fact.subject`."""
    fact_id: str | None = None
    """A UUID made by the asker, which makes asking again safe; None: a new one."""
    turn_id: str | None = None
    """Where it was said."""


class EditFact(Request[Fact]):
    """Change the words of a fact."""

    profile: str = OWNER
    """Whose memory."""
    fact_id: str
    """Which."""
    text: str = Field(min_length=1, max_length=2000)
    """Its new words."""


class ListFacts(Request[tuple[Fact, ...]]):
    """The facts of a profile, newest first."""

    idempotent = True

    profile: str = OWNER
    """Whose memory."""
    limit: int = Field(default=200, ge=1, le=1000)
    """How many at most."""


class FactLearnt(Event):
    """A fact was found in a conversation and kept."""

    profile: str
    """Whose."""
    fact: Fact
    """The fact."""
