"""Two people with the same things: every id of one swapped into the requests of the other, on a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from services.api import http
from services.api.house import House
from services.api.http import application
from services.api.recent import RecentTurns
from services.chats.spec import PART as CHATS
from services.conversation.service import ConversationService, Tuned
from services.conversation.talks import Talks
from services.memory.spec import MemorySettings, tables
from services.messages.conversation import Ask, TuneConversation
from services.messages.language import Complete
from services.messages.security import ROLE_SCOPES, Principal
from solo.bus import Bus
from solo.settings import MachineSettings
from solo.supervision import Context, ServiceSpec, State
from tests.postgres import database
from tests.stubs.callers import as_caller
from tests.stubs.cast import ANSWER, POLICY, Cast
from tests.stubs.memory import memory_specs
from tests.stubs.services import spec, supervised

WITHIN_S = 30.0


def person(name: str) -> Principal:
    return Principal(
        kind="key", id=f"key of {name}", user=name, name=name, role="user", scopes=ROLE_SCOPES["user"], profile=name
    )


class World:
    def __init__(self, app: Any, cast: Cast) -> None:
        self.app = app
        self.cast = cast

    async def ask(self, who: str, method: str, path: str, **more: Any) -> httpx.Response:
        transport = httpx.ASGITransport(as_caller(self.app, person(who)), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700", timeout=WITHIN_S) as client:
            return await client.request(method, path, **more)

    async def holdings(self, who: str) -> dict[str, Any]:
        """Everything that this person can read."""
        return {
            path: (await self.ask(who, "GET", path)).json()
            for path in (
                "/api/chats", "/api/chats/shared", "/api/history", "/api/turns", "/api/memory/facts",
                "/api/memory/documents", "/api/memory/collections", "/api/memory",
            )
        }  # fmt: skip


@asynccontextmanager
async def world(bus: Bus, ctx: Context, folder: Path) -> AsyncIterator[World]:
    cast = Cast(bus)
    recent = RecentTurns()
    app = application(House(ctx, recent, set()))

    async def think(running: Context) -> None:
        running.ready()
        await running.answer(Complete, cast.complete)

    schemas = (*tables(MemorySettings()), *CHATS.tables(None))
    async with database(folder / "database", tuple(schemas)) as opened:
        talking = ServiceSpec(
            name="conversation",
            make=lambda: ConversationService(Tuned(POLICY), Talks(300)),
            answers=(Ask, TuneConversation),
        )
        parts = [
            *CHATS.specs(None, MachineSettings(state_dir=folder, _env_file=None), opened),
            *memory_specs(opened, folder),
            spec("llm", think, answers=(Complete,)),
            talking,
        ]
        async with supervised(bus, *parts) as house:
            following = asyncio.create_task(recent.follow(ctx))
            async with asyncio.timeout(WITHIN_S):
                for name in ("chats", "memory", "conversation"):
                    await house.reaches(name, State.READY)
            yield World(app, cast)
            following.cancel()
            await asyncio.wait([following])


async def test_nothing_of_the_other_is_seen_changed_or_deleted(
    bus: Bus, ctx: Context, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("tests.stubs.cast.PIECE_S", 0.0)
    monkeypatch.setitem(http.STATUS, "api.no_turn", 404)
    async with world(bus, ctx, tmp_path) as both:
        ids: dict[str, dict[str, str]] = {}
        for who in ("anna", "bert"):
            turn = (await both.ask(who, "POST", "/api/ask", json={"text": f"{who} asks", "talk": "shared"})).json()
            assert (turn["outcome"], turn["said"], turn["stored"], turn["profile"]) == ("answered", ANSWER, True, who)
            fact = (await both.ask(who, "POST", "/api/memory/facts", json={"text": f"The secret of {who}."})).json()
            taken = await both.ask(
                who, "PUT", "/api/memory/documents", params={"name": "a.txt", "collection": "c"},
                content=f"The diary of {who}.".encode(),
            )  # fmt: skip
            assert taken.json()["verdict"] == "stored"
            ids[who] = {"turn": turn["turn_id"], "fact": fact["id"]}
        # The second one's prompt has nothing of the first one's, although the talk has the same name.
        assert "anna" not in str(both.cast.asked[-1].messages)
        before = {who: await both.holdings(who) for who in ids}
        for who, other in (("anna", "bert"), ("bert", "anna")):
            for part in before[who].values():
                assert other not in str(part)
            assert before[who]["/api/memory"]["facts"] == before[who]["/api/memory"]["documents"] == 1
            assert [each["said"] for each in before[who]["/api/history"]["exchanges"]] == [ANSWER]
        # Every id of bert's in anna's requests.
        fact = f"/api/memory/facts/{ids['bert']['fact']}"
        assert (await both.ask("anna", "PATCH", fact, json={"text": "Mine."})).status_code == 404
        assert (await both.ask("anna", "DELETE", fact)).json() == {"facts": 0, "documents": 0}
        taken = await both.ask("anna", "POST", "/api/memory/facts", json={"text": "Mine.", "id": ids["bert"]["fact"]})
        assert taken.status_code == 409
        turn_path = f"/api/turns/{ids['bert']['turn']}"
        assert (await both.ask("anna", "GET", turn_path)).status_code == 404
        assert (await both.ask("anna", "POST", f"{turn_path}/cancel")).status_code == 404
        for query in ({"query": "diary of bert"}, {"query": "diary of bert", "collection": "c", "document": "a.txt"}):
            hits = (await both.ask("anna", "POST", "/api/memory/search", json=query)).json()["hits"]
            assert "bert" not in str(hits)
        assert (await both.ask("anna", "GET", "/api/chats/default")).json() == {"exchanges": []}
        assert {who: await both.holdings(who) for who in ids} == before
        # What anna deletes by a name that both have is hers alone.
        assert (await both.ask("anna", "DELETE", "/api/chats/shared")).json() == {"forgotten": 1}
        assert (await both.ask("anna", "DELETE", "/api/memory/documents", params={"name": "a.txt"})).json() == {
            "facts": 0, "documents": 1,
        }  # fmt: skip
        await both.ask("anna", "DELETE", "/api/memory/collections/c")
        await both.ask("anna", "DELETE", "/api/memory/facts")
        assert await both.holdings("bert") == before["bert"]
        gone = await both.holdings("anna")
        assert "anna" not in str(gone)
