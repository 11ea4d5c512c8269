"""Stands in for the guard: says who asks, to an application that is tested without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.messages.security import OWNER_PRINCIPAL, Principal

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


def as_caller(app: ASGIApp, who: Principal) -> ASGIApp:
    """The application as `who` sees it."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in {"http", "websocket"}:
            scope["principal"] = who
        await app(scope, receive, send)

    return wrapped


def as_owner(app: ASGIApp) -> ASGIApp:
    """The application as the owner sees it."""
    return as_caller(app, OWNER_PRINCIPAL)
