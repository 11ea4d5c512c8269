"""A router whose routes cannot be declared without a policy, so that none can be forgotten."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import APIRouter, Depends, Request
from fastapi.exceptions import RequestValidationError

from services.api.policy import SOCKET, Policy, Row

F = TypeVar("F", bound=Callable[..., Any])


async def asks_once(request: Request) -> None:
    """Each name of the query may come once: which of two values counts would be anybody's guess, and programs in
    between may guess otherwise. (Not a plain function: FastAPI would call that in a thread, on every request.)"""
    if not request.scope["query_string"]:
        return
    times = Counter(name for name, _ in request.query_params.multi_items())
    twice, most = times.most_common(1)[0] if times else ("", 0)
    if most > 1:
        raise RequestValidationError([{"loc": ("query", twice), "msg": "comes more than once", "type": "repeated"}])


class Doors(APIRouter):
    """FastAPI's router; each route also goes into `rows`, from which the guard's table is made."""

    def __init__(self, *, prefix: str = "", **named: Any) -> None:
        super().__init__(prefix=prefix, redirect_slashes=False, **named)
        self.rows: list[Row] = []

    def door(self, method: str, path: str, *, policy: Policy, summary: str, **named: Any) -> Callable[[F], F]:
        """Declare an HTTP route; `named` are FastAPI's own arguments."""
        self.rows.append(Row(method, self.prefix + path, policy, summary))
        said = {"scope": policy.scope or "public", "owner": policy.owner, "rate": policy.rate, "body": policy.body}
        extra = {**(named.pop("openapi_extra", None) or {}), "x-solo-policy": said}
        once = [Depends(asks_once), *named.pop("dependencies", ())]
        return self.api_route(path, methods=[method], summary=summary, openapi_extra=extra, dependencies=once, **named)

    def socket(self, path: str, *, policy: Policy, summary: str) -> Callable[[F], F]:
        """Declare a WebSocket route."""
        self.rows.append(Row(SOCKET, self.prefix + path, policy, summary))
        return self.websocket(path)

    def contain(self, router: Doors) -> None:
        """All routes of another router."""
        self.rows.extend(router.rows)
        self.routes.extend(router.routes)
