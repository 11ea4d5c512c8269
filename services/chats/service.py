"""Keeps what was said; an exchange that cannot be stored now is kept at hand and stored when the database is back."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from datetime import datetime
from typing import Literal

from services.chats.store import ChatStore
from services.messages.chats import Chat, Exchange, ForgetChat, ListChats, LoadTalk, ReadChat, StoreExchange
from solo.storage import Database, DatabaseError
from solo.supervision import Context

STORE_WITHIN_S = 1.0
MOST_WAITING = 256
"""Exchanges that wait for the database; the oldest goes first, counted and logged."""
_PAUSE_S = (0.5, 10.0)


class Backlog:
    """Exchanges not stored yet, nobody was told that they were. Outlives a crash of its service, not of the daemon."""

    def __init__(self) -> None:
        self.waiting: OrderedDict[str, Exchange] = OrderedDict()
        self.lost = 0

    def add(self, exchange: Exchange) -> bool:
        """False: the oldest had to go."""
        self.waiting[exchange.turn_id] = exchange
        if len(self.waiting) <= MOST_WAITING:
            return True
        self.waiting.popitem(last=False)
        self.lost += 1
        return False


class ChatsService:
    name = "chats"

    def __init__(self, database: Database, backlog: Backlog) -> None:
        self._store = ChatStore(database)
        self._backlog = backlog
        self._grown = asyncio.Event()

    async def run(self, ctx: Context) -> None:
        async def store(question: StoreExchange) -> Literal["stored", "known"]:
            try:
                new = await self._store.store(question.exchange, within=STORE_WITHIN_S)
            except DatabaseError:
                if not self._backlog.add(question.exchange):
                    ctx.log.warning("an exchange is lost", lost=self._backlog.lost)
                self._grown.set()
                raise
            return "stored" if new else "known"

        async def load(question: LoadTalk) -> tuple[Exchange, ...]:
            return await self._store.recent(question.profile, question.talk, question.newer_than_s, question.limit)

        async def chats(question: ListChats) -> tuple[Chat, ...]:
            return await self._store.chats(question.profile, question.limit)

        async def page(question: ReadChat) -> tuple[Exchange, ...]:
            before = datetime.fromisoformat(question.before) if question.before else None
            return await self._store.page(question.profile, question.talk, question.limit, before)

        async def forget(question: ForgetChat) -> int:
            for turn_id, exchange in list(self._backlog.waiting.items()):
                if (exchange.profile, exchange.talk) == (question.profile, question.talk):
                    del self._backlog.waiting[turn_id]
            return await self._store.forget(question.profile, question.talk)

        ctx.ready()
        async with asyncio.TaskGroup() as tasks:
            catching_up = tasks.create_task(self._catch_up(ctx))
            async with asyncio.TaskGroup() as answering:
                answering.create_task(ctx.answer(StoreExchange, store))
                answering.create_task(ctx.answer(LoadTalk, load))
                answering.create_task(ctx.answer(ListChats, chats))
                answering.create_task(ctx.answer(ReadChat, page))
                answering.create_task(ctx.answer(ForgetChat, forget))
            catching_up.cancel()

    async def _catch_up(self, ctx: Context) -> None:
        pause = _PAUSE_S[0]
        while True:
            if not self._backlog.waiting:
                self._grown.clear()
                await self._grown.wait()
            turn_id, exchange = next(iter(self._backlog.waiting.items()))
            try:
                await self._store.store(exchange, within=STORE_WITHIN_S)
            except DatabaseError:
                await asyncio.sleep(pause)
                pause = min(pause * 2, _PAUSE_S[1])
                continue
            self._backlog.waiting.pop(turn_id, None)
            pause = _PAUSE_S[0]
            if not self._backlog.waiting:
                ctx.log.info("the database has every exchange again")
