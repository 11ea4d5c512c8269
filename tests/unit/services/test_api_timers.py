"""The routes of timers: each person has their own, and other people's do not exist."""

from __future__ import annotations

import httpx

from services.api.house import House
from services.api.http import application
from services.api.recent import RecentTurns
from services.messages.security import OWNER_PRINCIPAL
from solo.bus import Bus
from solo.supervision import Context
from tests.stubs.callers import as_caller
from tests.stubs.skills_house import skills_house


async def test_the_routes_show_only_the_callers(bus: Bus) -> None:
    async with skills_house(bus) as house:
        await house.say("pizza timer for ten minutes", profile="anna")
        ctx = Context(bus, "api", on_state=lambda _state, _note: None)
        app = application(House(ctx, RecentTurns(), set()))

        async def ask(method: str, path: str, profile: str) -> httpx.Response:
            who = OWNER_PRINCIPAL.model_copy(update={"profile": profile})
            transport = httpx.ASGITransport(as_caller(app, who), raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as client:
                return await client.request(method, path)

        (timer,) = (await ask("GET", "/api/timers", "anna")).json()["timers"]
        assert (timer["name"], timer["state"], timer["length_s"]) == ("pizza", "running", 600)
        assert (await ask("GET", "/api/timers", "ben")).json() == {"timers": []}
        denied = await ask("DELETE", f"/api/timers/{timer['id']}", "ben")
        assert (denied.status_code, denied.json()["error"]["code"]) == (404, "skills.no_timer")
        assert (await ask("DELETE", "/api/timers/unknown", "anna")).status_code == 404
        gone = await ask("DELETE", f"/api/timers/{timer['id']}", "anna")
        assert (gone.status_code, gone.json()["id"]) == (200, timer["id"])
        assert house.store.rows == {}
