"""What the routes are given of the house behind the door."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from services.api.recent import RecentTurns
from services.messages.security import Principal
from solo.supervision import Context


@dataclass(frozen=True, slots=True)
class House:
    ctx: Context
    recent: RecentTurns
    sessions: set[object]
    """Voice sessions under way: a drain waits for their turns."""


# Not plain functions, though they wait for nothing: FastAPI would call those in a thread, on every request.


async def _house(connection: HTTPConnection) -> House:
    house: House = connection.app.state.house
    return house


TheHouse = Annotated[House, Depends(_house)]


async def _who(connection: HTTPConnection) -> Principal:
    """Whom the guard let in; a route that nobody guards has nobody and crashes, it never guesses."""
    who: Principal = connection.scope["principal"]
    return who


Who = Annotated[Principal, Depends(_who)]
