"""The settings as the door shows and changes them."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.api import http
from services.api.house import House
from services.api.http import application
from services.api.recent import RecentTurns
from services.app import settings_type
from services.config.service import LIVE, ConfigService
from services.conversation.service import ConversationService, Tuned
from services.conversation.talks import Talks
from services.messages.config import ChangeConfig, DescribeConfig, Setting
from services.messages.conversation import TuneConversation
from solo.bus import Bus
from solo.errors import SoloError
from solo.settings import MachineSettings, load
from solo.supervision import Context, ServiceSpec
from tests.stubs.callers import as_owner
from tests.stubs.cast import POLICY, Cast, stage

WITHIN = 5.0
pytestmark = pytest.mark.usefixtures("bare_settings")


@asynccontextmanager
async def configured(bus: Bus, settings: MachineSettings) -> AsyncIterator[tuple[Tuned, Talks]]:
    tuned, talks, changed = Tuned(POLICY), Talks(300), {}  # type: ignore[var-annotated]
    specs = [
        ServiceSpec(
            name="config", make=lambda: ConfigService(settings, changed), answers=(DescribeConfig, ChangeConfig)
        ),
        ServiceSpec(name="conversation", make=lambda: ConversationService(tuned, talks), answers=(TuneConversation,)),
    ]
    async with stage(Cast(bus), *specs):
        yield tuned, talks


async def all_of(ctx: Context) -> dict[str, Setting]:
    return {setting.path: setting for setting in await ctx.request(DescribeConfig(), within=WITHIN)}


async def change(ctx: Context, **settings: Any) -> dict[str, Setting]:
    asked = ChangeConfig(settings={name.replace("__", "."): value for name, value in settings.items()})
    return {setting.path: setting for setting in await ctx.request(asked, within=WITHIN)}


async def test_everything_in_effect_without_a_secret(
    bus: Bus, ctx: Context, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secret = "s3cr3t-value"  # of this test only
    monkeypatch.setenv("SOLO_DATABASE__URL", f"postgresql://solo:{secret}@127.0.0.1/solo")
    monkeypatch.setenv("SOLO_CONVERSATION__TEMPERATURE", "0.5")
    async with configured(bus, load(settings_type())):
        found = await all_of(ctx)
    assert secret not in "".join(setting.model_dump_json() for setting in found.values())
    assert found["database.url"].value == "***"
    temperature = found["conversation.temperature"]
    assert (temperature.value, temperature.is_default, temperature.live) == (0.5, False, True)
    assert temperature.variable == "SOLO_CONVERSATION__TEMPERATURE"
    assert found["conversation.max_tokens"].value == 160
    assert (found["port"].is_default, found["port"].live) == (True, False)
    assert {path for path, setting in found.items() if setting.live} == set(LIVE)


async def test_live_ones_take_effect_at_once(bus: Bus, ctx: Context) -> None:
    root = logging.getLogger()
    async with configured(bus, load(settings_type())) as (tuned, talks):
        changed = await change(
            ctx, log_level="warning", conversation__temperature=1, conversation__system_prompt="Sing.",
            conversation__forget_after_s=9.0,
        )  # fmt: skip
        assert {path: setting.value for path, setting in changed.items()} == {
            "log_level": "warning", "conversation.temperature": 1, "conversation.system_prompt": "Sing.",
            "conversation.forget_after_s": 9.0,
        }  # fmt: skip
        assert all(setting.changed for setting in changed.values())
        assert (tuned.policy.temperature, tuned.policy.system_prompt, talks.forget_after_s) == (1, "Sing.", 9.0)
        assert tuned.policy.max_tokens == POLICY.max_tokens
        assert root.level == logging.WARNING
        assert (await all_of(ctx))["log_level"].value == "warning"


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"port": 1}, "config.needs_restart"),
        ({"database__url": "x"}, "config.needs_restart"),
        ({"nothing": 1}, "config.unknown"),
        ({"conversation": {}}, "config.unknown"),
        ({"__class__": 1}, "config.unknown"),
        ({"conversation__temperature": 3}, "config.bad_value"),
        ({"conversation__temperature": float("nan")}, "config.bad_value"),
        ({"conversation__temperature": "1"}, "config.bad_value"),
        ({"conversation__max_tokens": True}, "config.bad_value"),
        ({"conversation__system_prompt": None}, "config.bad_value"),
        ({"conversation__system_prompt": "x" * 20_000}, "config.bad_value"),
        ({"conversation__forget_after_s": float("inf")}, "config.bad_value"),
        ({"log_level": "loud"}, "config.bad_value"),
    ],
)
async def test_what_is_refused_changes_nothing(bus: Bus, ctx: Context, settings: dict[str, Any], code: str) -> None:
    async with configured(bus, load(settings_type())) as (tuned, _):
        with pytest.raises(SoloError) as refused:
            await change(ctx, conversation__top_p=0.5, **settings)
        assert refused.value.code == code
        assert tuned.policy == POLICY
        assert not any(setting.changed for setting in (await all_of(ctx)).values())
    if code == "config.needs_restart":
        assert "SOLO_" in refused.value.hint


async def test_the_routes(bus: Bus, ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(http.STATUS, "config.needs_restart", 409)
    app = as_owner(application(House(ctx, RecentTurns(), set())))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        configured(bus, load(settings_type())) as (tuned, _),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as client,
    ):
        assert len((await client.get("/api/config")).json()["settings"]) > 50
        body = {"settings": {"conversation.max_tokens": 7}}
        assert (await client.patch("/api/config", json=body)).json()["settings"][0]["value"] == 7
        assert tuned.policy.max_tokens == 7
        refused = await client.patch("/api/config", json={"settings": {"port": 1}})
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "config.needs_restart")
        assert (await client.patch("/api/config", json={"settings": {}})).status_code == 422
