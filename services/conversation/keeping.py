"""Keeps an exchange in the database, without its failure being the turn's."""

from __future__ import annotations

from services.messages.chats import Exchange, StoreExchange
from solo.errors import SoloError
from solo.supervision import Context

_WITHIN_S = 1.5
"""The answer has been given by then; this only delays the turn's end, and with it what its summary says of it."""


async def keep(ctx: Context, exchange: Exchange) -> bool:
    """True after COMMIT."""
    try:
        await ctx.request(StoreExchange(exchange=exchange), within=_WITHIN_S)
    except SoloError as error:
        if error.code != "bus.no_handler":  # a Solo without the chats part
            ctx.log.warning("the exchange is not stored", turn_id=exchange.turn_id, error=error.line())
        return False
    return True
