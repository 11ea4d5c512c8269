"""What the catalogue remembers in PostgreSQL: a verdict holds as long as the file is the same."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from services.messages.models import FindModel, VerifyModel
from services.models import keeper, packaged
from services.models import spec as models_spec
from services.models.errors import ModelRefused
from services.models.spec import MODELS
from solo.bus import Bus
from solo.storage import Database
from tests.gguf_files import model_values, small_model
from tests.postgres import database
from tests.stubs.catalogue import WITHIN, catalogue, put


@pytest.fixture(autouse=True)
def _nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaged, "PACKAGES", ())
    monkeypatch.setattr(keeper, "ASK_WITHIN_S", 0.2)
    monkeypatch.setattr(keeper, "SYNC_WITHIN_S", 0.2)


class TestWithADatabase:
    async def test_verdicts_hold_over_a_restart(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(keeper, "ASK_WITHIN_S", 5.0)
        monkeypatch.setattr(keeper, "SYNC_WITHIN_S", 5.0)
        put(tmp_path, "good.gguf")
        put(tmp_path, "bad.gguf", small_model(model_values("{{ ''.__class__ }}")))
        put(tmp_path, "broken.gguf", b"x" * 100)
        async with database(tmp_path / "pg", [MODELS]) as db:
            bus = Bus()
            async with catalogue(bus, tmp_path, db):
                before = await bus.request(VerifyModel(name="good"), within=WITHIN)
                await bus.request(VerifyModel(name="bad"), within=WITHIN)
                await stored(db, {"good": "usable", "bad": "refused", "broken": "refused"})
            # Nothing is tried again: there is nothing to try it with.
            monkeypatch.setattr("services.models.spec._TEMPLATE", "no.such:Thing")
            monkeypatch.setitem(models_spec._TRIALS, "fake", "no.such:Thing")
            bus = Bus()
            async with catalogue(bus, tmp_path, db):
                model = await bus.request(FindModel(name="good", usable=True), within=WITHIN)
                assert (model.verdict, model.sha256) == ("usable", before.sha256)
                with pytest.raises(ModelRefused):
                    await bus.request(FindModel(name="bad", usable=True), within=WITHIN)

    async def test_a_file_that_changed_is_another_one(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(keeper, "SYNC_WITHIN_S", 5.0)
        path = put(tmp_path, "a.gguf")
        async with database(tmp_path / "pg", [MODELS]) as db:
            bus = Bus()
            async with catalogue(bus, tmp_path, db):
                await bus.request(VerifyModel(name="a"), within=WITHIN)
                await stored(db, {"a": "usable"})
            os.utime(path, (5, 5))
            bus = Bus()
            async with catalogue(bus, tmp_path, db):
                await stored(db, {"a": "unchecked"})
                assert (await bus.request(FindModel(name="a"), within=WITHIN)).sha256 == ""

    async def test_what_is_gone_is_told_and_comes_back(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(keeper, "SYNC_WITHIN_S", 5.0)
        path = put(tmp_path, "a.gguf")
        data, times = path.read_bytes(), path.stat().st_mtime_ns
        async with database(tmp_path / "pg", [MODELS]) as db:
            bus = Bus()
            async with catalogue(bus, tmp_path, db):
                await bus.request(VerifyModel(name="a"), within=WITHIN)
                await stored(db, {"a": "usable"})
                path.unlink()
                while await db.fetchval("SELECT gone_at FROM models.files") is None:
                    await asyncio.sleep(0.02)
                path.write_bytes(data)
                os.utime(path, ns=(times, times))
                await stored(db, {"a": "usable"})
                model = await bus.request(FindModel(name="a"), within=WITHIN)
                assert model.verdict == "usable" and len(model.sha256) == 64
                row = await db.fetchrow("SELECT * FROM models.files")
                assert row is not None
                assert (row["kind"], row["format"], row["architecture"]) == ("llm", "gguf", "llama")
                assert row["checked_at"] is not None and row["gone_at"] is None

    async def test_a_database_that_comes_late(self, bus: Bus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        put(tmp_path, "a.gguf")
        db = Database()
        async with catalogue(bus, tmp_path, db):
            assert (await bus.request(FindModel(name="a", usable=True), within=WITHIN)).verdict == "usable"
            async with database(tmp_path / "pg", [MODELS]) as other:
                assert other.address is not None
                await db.open(other.address)
                await stored(other, {"a": "usable"})
                await db.close()


async def stored(db: Database, wanted: dict[str, str]) -> None:
    """Wait until the table says so."""
    while True:
        rows = await db.fetch("SELECT details, verdict, gone_at FROM models.files")
        found = {json.loads(row["details"])["name"]: row["verdict"] for row in rows if row["gone_at"] is None}
        if found == wanted:
            return
        await asyncio.sleep(0.02)
