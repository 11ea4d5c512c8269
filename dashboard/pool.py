"""The pool of language models: what `GET /api/llm/health` answers, and the rows drawn of it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from dashboard.tables import badge
from dashboard.units import NONE, count, literal, size


class _Part(BaseModel):
    # As in `dashboard.status`: a newer daemon must not blank an older page.
    model_config = ConfigDict(frozen=True, extra="ignore")


class Model(_Part):
    name: str
    state: str
    progress: float | None = None
    engine: str = ""
    context: int | None = None
    busy: int = 0
    waiting: int = 0
    bytes: int = 0
    pinned: bool = False
    error: str = ""


class Role(_Part):
    role: str
    model: str = ""
    answering: str = ""
    state: str


class Entry(_Part):
    name: str
    bytes: int


class Ledger(_Part):
    budget_bytes: int
    reserved_bytes: int
    voice_bytes: int
    entries: tuple[Entry, ...] = ()


class Pool(_Part):
    models: tuple[Model, ...]
    roles: tuple[Role, ...]
    ledger: Ledger


def model_rows(pool: Pool) -> list[dict[str, str]]:
    """One row a model, cells in Markdown; the roles that it plays now beside it."""
    return [
        {
            "Model": f"**{literal(model.name)}**",
            "State": badge(model.state)
            + (f" {model.progress:.0%}" if model.state == "loading" and model.progress else ""),
            "Roles": ", ".join(_role(role) for role in pool.roles if role.answering == model.name) or NONE,
            "Engine": literal(model.engine) or NONE,
            "Context": count(model.context) if model.context is not None else NONE,
            "Busy": count(model.busy),
            "Waiting": count(model.waiting),
            "Reserved": size(model.bytes) + (" · pinned" if model.pinned else ""),
            "Last error": literal(model.error) or NONE,
        }
        for model in pool.models
    ]


def ledger_line(pool: Pool) -> str:
    """What the models may have together, as Markdown."""
    ledger = pool.ledger
    others = ", ".join(f"{literal(entry.name)} {size(entry.bytes)}" for entry in ledger.entries)
    return (
        f"{size(ledger.reserved_bytes)} of {size(ledger.budget_bytes)} reserved"
        f"{f' ({others})' if others else ''}; {size(ledger.voice_bytes)} of it kept for spoken turns."
    )


def share(pool: Pool) -> float:
    """Reserved of the budget, 0 to 1."""
    ledger = pool.ledger
    return min(1.0, ledger.reserved_bytes / ledger.budget_bytes) if ledger.budget_bytes > 0 else 0.0


def _role(role: Role) -> str:
    fallen = role.state == "fallback" and role.answering != role.model
    return literal(role.role) + (" (fallback)" if fallen else "")
