"""The pool as everybody may see it, in the words of its messages."""

from __future__ import annotations

from services.llm.keeper import Keeper
from services.llm.ledger import Ledger
from services.llm.roles import ROLES, Roles
from services.llm.shelf import Shelf
from services.messages.language import Role
from services.messages.pool import LoadedModel, PoolState, RoleState


def describe(keeper: Keeper, ledger: Ledger) -> LoadedModel:
    engine = keeper.engine()
    told = engine.info.get("context") if engine is not None else None
    planned = None if keeper.plan is None else keeper.plan.context
    return LoadedModel(
        name=keeper.name,
        state=keeper.state,
        progress=keeper.progress,
        since_s=round(keeper.since_s, 3),
        engine="" if engine is None else engine.engine,
        pid=None if engine is None else engine.pid,
        context=told if isinstance(told, int) and told > 0 else planned,
        busy=keeper.busy,
        waiting=keeper.lanes.waiting,
        bytes=ledger.of(keeper.name),
        pinned=keeper.pinned,
        idle_s=None if keeper.idle_s is None else round(keeper.idle_s, 3),
        breaker=keeper.breaker.state,
        error=keeper.error,
    )


def role_state(role: Role, roles: Roles, shelf: Shelf) -> RoleState:
    bound = roles.bound(role)
    own = None if bound is None else shelf.of(bound)
    others = [shelf.of(text) for other in roles.chain(role)[1:] if (text := roles.bound(other)) is not None]
    answering = next((keeper for keeper in (own, *others) if keeper is not None and _healthy(keeper)), None)
    return RoleState(
        role=role,
        model="" if own is None else own.name,
        answering="" if answering is None else answering.name,
        fallbacks=roles.chain(role)[1:],
        state="fallback"
        if answering is not own and answering is not None
        else "unbound"
        if own is None
        else "down"
        if answering is None
        else "loading"
        if own.loading or (own.always and own.runner is None)
        else "ok",
    )


def pool_state(roles: Roles, shelf: Shelf, ledger: Ledger, evictions: int) -> PoolState:
    states = tuple(role_state(role, roles, shelf) for role in ROLES)
    dialog = next(state for state in states if state.role == "dialog")
    missing = any(state.state in {"fallback", "down"} for state in states)
    return PoolState(
        status="down" if dialog.state == "down" else "degraded" if missing else "ok",
        roles=states,
        models=tuple(describe(keeper, ledger) for keeper in shelf),
        ledger=ledger.state(),
        evictions=evictions,
    )


def _healthy(keeper: Keeper) -> bool:
    """It would be asked, and loaded for that if need be."""
    return keeper.refusing is None and keeper.breaker.willing
