"""Learns facts from what was said, behind the conversation's back."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any, Literal, TypeAlias

from pydantic import ValidationError

from services.memory.facts.extraction import extract
from services.memory.facts.facts import Facts
from services.memory.facts.model_extraction import ask_model
from services.messages.chats import EXCHANGE_STORED, Exchange
from services.messages.conversation import TurnFinished
from services.messages.facts import FactLearnt, Remember
from solo.bus import Overflow
from solo.errors import SoloError
from solo.storage import Database
from solo.storage.outbox import OutboxReader
from solo.supervision import Context

Extract: TypeAlias = Literal["rules", "llm", "off"]

_NAMESPACE = uuid.UUID("7f0c7f7e-6f2e-4d0e-9b1c-2f3d0a5f9a11")
"""Of the ids made from a turn and the words of a fact: an exchange that is delivered twice gives the same facts."""
_STORED_AFTER_S = 0.5
"""The exchange is stored about then; if it takes longer, the reader looks by itself a little later."""


class ExchangeUnreadable(SoloError):
    """An exchange in the outbox is not one."""

    code = "memory.bad_exchange"


class Learning:
    def __init__(self, ctx: Context, database: Database, facts: Facts, how: Extract) -> None:
        self._ctx = ctx
        self._reader = OutboxReader(database, EXCHANGE_STORED)
        self._facts = facts
        self._how = how
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled. With `off` the exchanges are taken out of the outbox all the same."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._reader.run(self.learn, wake=self._wake))
            tasks.create_task(self._listen())

    async def learn(self, body: dict[str, Any]) -> None:
        """From one exchange; twice is as good as once. A SoloError puts it off."""
        try:
            exchange = Exchange.model_validate(body)
        except ValidationError as error:
            raise ExchangeUnreadable(f"an exchange in the outbox cannot be read: {error.errors()[0]['msg']}") from error
        if self._how == "off" or not exchange.heard.strip():
            return
        found = extract(exchange.heard) if self._how == "rules" else await ask_model(self._ctx, exchange.heard)
        for each in found:
            fact, is_new = await self._facts.remember(
                Remember(
                    profile=exchange.profile,
                    text=each.text,
                    subject=each.subject,
                    fact_id=str(uuid.uuid5(_NAMESPACE, f"{exchange.profile} {exchange.turn_id} {each.text}")),
                    turn_id=exchange.turn_id,
                )
            )
            if is_new:
                self._ctx.publish(FactLearnt(profile=exchange.profile, fact=fact))

    async def _listen(self) -> None:
        async with self._ctx.subscribe(TurnFinished, limit=64, overflow=Overflow.DROP_OLDEST) as turns:
            async for _ in turns:
                await asyncio.sleep(_STORED_AFTER_S)
                self._wake.set()
