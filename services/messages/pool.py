"""The pool of language models: which serves which role, what is loaded, what memory they take."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from services.messages.language import Lane, Role
from solo.bus import Event, Request

LoadState = Literal["unloaded", "loading", "ready", "failed", "remote"]
"""`failed`: it is tried again after a pause; `remote`: a server that is asked by URL."""
Breaker = Literal["closed", "open", "half_open"]
"""`closed`: asked as usual; `open`: failed too often, left alone for a while; `half_open`: one question tries it."""


class LoadedModel(BaseModel):
    """One model of the pool."""

    model_config = ConfigDict(frozen=True)

    name: str
    """As in the catalogue, or the URL of a server with the model behind `#`."""
    state: LoadState
    """What it is doing."""
    progress: float | None = None
    """Of loading, 0 to 1; None: not loading or unknown."""
    since_s: float = 0.0
    """Seconds since it has been in this state."""
    engine: str = ""
    """What runs it."""
    pid: int | None = None
    """Its process."""
    context: int | None = None
    """Tokens of prompt and answer together."""
    busy: int = 0
    """Questions being answered."""
    waiting: int = 0
    """Questions waiting for it."""
    bytes: int = 0
    """What the ledger has reserved for it."""
    pinned: bool = False
    """It is never evicted."""
    idle_s: float | None = None
    """Seconds since it was last used; None: in use or never used."""
    breaker: Breaker = "closed"
    """Whether it is asked."""
    error: str = ""
    """Why it failed last; empty: it did not, or works again."""


class RoleState(BaseModel):
    """One role and who plays it."""

    model_config = ConfigDict(frozen=True)

    role: Role
    """Which."""
    model: str
    """The model bound to it; empty: none."""
    answering: str
    """The model that would be asked now, its own or the first healthy one of its fallbacks; empty: nobody."""
    fallbacks: tuple[Role, ...] = ()
    """The roles whose models take its place, in order."""
    state: Literal["ok", "fallback", "loading", "down", "unbound"]
    """`ok`: its own model answers (or will load when asked); `fallback`: another one does; `down`: nobody can."""


class LedgerEntry(BaseModel):
    """What one thing takes of the memory that models may have."""

    model_config = ConfigDict(frozen=True)

    name: str
    """What: a model's name, or stt, tts, embedder."""
    kind: Literal["weights", "kv", "host_cache", "service"]
    """Which part of it."""
    bytes: int
    """Reserved."""


class Ledger(BaseModel):
    """The memory that models may have, and who has it."""

    model_config = ConfigDict(frozen=True)

    budget_bytes: int
    """Together."""
    reserved_bytes: int
    """Taken."""
    voice_bytes: int
    """Of the budget, kept for what a spoken turn needs: nothing else is loaded into it."""
    entries: tuple[LedgerEntry, ...]
    """By name."""


class PoolState(BaseModel):
    """The pool in one snapshot."""

    model_config = ConfigDict(frozen=True)

    status: Literal["ok", "degraded", "down"]
    """`degraded`: some role falls back or is down; `down`: the role dialog is."""
    roles: tuple[RoleState, ...]
    """All four."""
    models: tuple[LoadedModel, ...]
    """Those the pool knows."""
    ledger: Ledger
    """Memory."""
    evictions: int = 0
    """Models unloaded to make room, since the start."""


class DescribePool(Request[PoolState]):
    """How the language models are."""

    idempotent = True


class LoadModel(Request[LoadedModel]):
    """Load a model; answers at once with its state, the load goes on as a job of the pool."""

    name: str
    """As in the catalogue."""
    pin: bool | None = None
    """Pin it (True) or unpin it (False); None: as it is."""


class UnloadModel(Request[LoadedModel]):
    """Unload a model when what it is answering is answered."""

    name: str
    """As in the catalogue."""


class UseModel(Request[RoleState]):
    """Bind a role to another model; holds over a restart."""

    role: Role
    """Which."""
    model: str = Field(max_length=1000)
    """A name of the catalogue, or the URL of a server with the model behind `#`; empty: as the settings say."""


class PoolChanged(Event):
    """A model of the pool has another state."""

    model: str
    """Which."""
    state: LoadState
    """The new one."""
    error: str = ""
    """Why, where it failed."""


class QuestionAnswered(Event):
    """A question to the language models is over, well or not. Without its words: it is for counting."""

    lane: Lane
    """Whose it was."""
    outcome: Literal["answered", "cancelled", "failed"]
    """`cancelled`: the asker left."""
    code: str = ""
    """Of the error, where it failed."""
    model: str = ""
    """Which answered; empty: none."""
    role: str = ""
    """In which role."""
    fell_back: bool = False
    """Another one than the first asked."""
    from_cache: bool = False
    """An earlier answer did."""
    waited_s: float = 0.0
    """Seconds until it was its turn."""
    first_token_s: float | None = None
    """Seconds from the question to the first piece of its answer; None: there was none."""
    seconds: float
    """From the question to its end."""
    tokens: int = 0
    """Of the answer."""
