"""The catalogue as a service: what it answers, what it remembers, and that nothing it meets ends it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from services.messages.models import (
    ChooseModel,
    FileProgress,
    FindModel,
    ImportModel,
    ListModels,
    ModelsChanged,
    PullModel,
    RemoveModel,
    VerifyModel,
)
from services.models import keeper, packaged
from services.models.entries import Entry
from services.models.errors import FetchFailed, ModelLoaded, ModelProtected, ModelRefused, ModelUnknown
from services.models.judging import Judge
from solo.bus import Bus, Overflow
from tests.file_server import Page, file_server
from tests.gguf_files import model_values, small_model
from tests.hostile_gguf import hostile, truncated
from tests.stubs.catalogue import WITHIN, catalogue, pool_of, put


@pytest.fixture(autouse=True)
def _nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaged, "PACKAGES", ())
    monkeypatch.setattr(keeper, "ASK_WITHIN_S", 0.2)
    monkeypatch.setattr(keeper, "SYNC_WITHIN_S", 0.2)


async def taken(bus: Bus, question: PullModel | ImportModel) -> list[FileProgress]:
    async with bus.stream(question, within=WITHIN) as steps:
        return [step async for step in steps]


class TestWithoutADatabase:
    async def test_models_are_listed_and_found(self, bus: Bus, tmp_path: Path) -> None:
        path = put(tmp_path, "Tiny.gguf")
        async with catalogue(bus, tmp_path):
            (model,) = await bus.request(ListModels(), within=WITHIN)
            assert (model.name, model.architecture, model.verdict) == ("tiny", "llama", "unchecked")
            for name in ("tiny", "TINY.GGUF", str(path)):
                assert await bus.request(FindModel(name=name), within=WITHIN) == model
            with pytest.raises(ModelUnknown):
                await bus.request(FindModel(name="other"), within=WITHIN)

    async def test_one_is_tried_when_it_is_wanted(self, bus: Bus, tmp_path: Path) -> None:
        put(tmp_path, "tiny.gguf")
        async with catalogue(bus, tmp_path):
            assert (await bus.request(FindModel(name="tiny", usable=True), within=WITHIN)).verdict == "usable"
            (model,) = await bus.request(ListModels(), within=WITHIN)
            assert model.verdict == "usable"

    async def test_a_hostile_template_keeps_it_out(self, bus: Bus, tmp_path: Path) -> None:
        put(tmp_path, "bad.gguf", small_model(model_values("{{ ''.__class__ }}")))
        async with catalogue(bus, tmp_path):
            with pytest.raises(ModelRefused, match="chat template is unsafe"):
                await bus.request(FindModel(name="bad", usable=True), within=WITHIN)
            model = await bus.request(FindModel(name="bad"), within=WITHIN)
            assert model.verdict == "refused" and "unsafe" in model.reason

    async def test_templates_are_tried_unasked_after_a_while(
        self, bus: Bus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(keeper, "QUIET_S", 0.0)
        put(tmp_path, "bad.gguf", small_model(model_values("{{ ''.__class__ }}")))
        put(tmp_path, "good.gguf")
        async with catalogue(bus, tmp_path):
            while (await bus.request(FindModel(name="bad"), within=WITHIN)).verdict != "refused":
                await asyncio.sleep(0.02)
            assert (await bus.request(FindModel(name="good"), within=WITHIN)).verdict == "unchecked"

    async def test_files_come_and_go(self, bus: Bus, tmp_path: Path) -> None:
        async with (
            bus.subscribe(ModelsChanged, limit=100, overflow=Overflow.FAIL) as changes,
            catalogue(bus, tmp_path),
        ):
            assert await bus.request(ListModels(), within=WITHIN) == ()
            path = put(tmp_path, "a.gguf")
            assert (await anext(aiter(changes))).added == ("a",)
            path.write_bytes(b"GGUF is no more")
            os.utime(path, (1, 1))
            change = await anext(aiter(changes))
            assert change.added == ("a",)
            assert (await bus.request(FindModel(name="a"), within=WITHIN)).verdict == "refused"
            path.unlink()
            assert (await anext(aiter(changes))).removed == ("a",)
            put(tmp_path, "b.gguf")
            (model,) = await bus.request(ListModels(refresh=True), within=WITHIN)
            assert model.name == "b"

    async def test_a_folder_full_of_hostile_files(self, bus: Bus, tmp_path: Path) -> None:
        pid = os.getpid()
        files = [*hostile().values(), *truncated().values()]
        for number, data in enumerate(files):
            put(tmp_path, f"bad-{number}.gguf", data)
        put(tmp_path, "good.gguf")
        async with catalogue(bus, tmp_path):
            models = await bus.request(ListModels(), within=WITHIN)
            assert len(models) == len(files) + 1
            assert [model.name for model in models if model.verdict != "refused"] == ["good"]
            assert [model.name for model in models if model.verdict == "refused" and not model.reason] == []
            assert (await bus.request(FindModel(name="good", usable=True), within=WITHIN)).verdict == "usable"
        assert os.getpid() == pid

    async def test_the_best_one_is_tried_before_it_is_named(self, bus: Bus, tmp_path: Path) -> None:
        put(tmp_path, "a-bad.gguf", small_model(model_values("{{ ''.__class__ }}")))
        put(tmp_path, "b-good.gguf")
        put(tmp_path, "c-untried.gguf")
        async with catalogue(bus, tmp_path):
            found = await bus.request(ChooseModel(), within=WITHIN)
            assert [model.verdict for model in found] == ["usable"] and "needs" in found[0].note
            assert await bus.request(ChooseModel(memory_bytes=1000), within=WITHIN) == ()

    async def test_a_check_goes_on_when_its_asker_leaves(
        self, bus: Bus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A large model on a slow disk would otherwise be begun again and again."""
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def slowly(_: Judge, entry: Entry, **__: Any) -> None:
            begun.set()
            await go_on.wait()
            entry.change(entry.known().model_copy(update={"verdict": "usable"}))

        monkeypatch.setattr(Judge, "judge", slowly)
        put(tmp_path, "a.gguf")
        async with catalogue(bus, tmp_path):
            asking = asyncio.ensure_future(bus.request(FindModel(name="a", usable=True), within=WITHIN))
            await begun.wait()
            asking.cancel()
            await asyncio.wait({asking})
            go_on.set()
            while (await bus.request(FindModel(name="a"), within=WITHIN)).verdict != "usable":
                await asyncio.sleep(0.01)

    async def test_a_check_under_way_is_given_up_at_the_end(
        self, bus: Bus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        begun = asyncio.Event()

        async def for_ever(_: Judge, entry: Entry, **__: Any) -> None:
            begun.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(Judge, "judge", for_ever)
        put(tmp_path, "a.gguf")
        async with catalogue(bus, tmp_path):
            asking = asyncio.ensure_future(bus.request(FindModel(name="a", usable=True), within=WITHIN))
            await begun.wait()
            asking.cancel()
            await asyncio.wait({asking})

    async def test_verifying_hashes_the_content(self, bus: Bus, tmp_path: Path) -> None:
        put(tmp_path, "a.gguf")
        async with catalogue(bus, tmp_path):
            model = await bus.request(VerifyModel(name="a"), within=WITHIN)
            assert len(model.sha256) == 64 and model.verdict == "usable"


class TestTakingIn:
    async def test_a_fetched_one_is_usable_at_once(self, bus: Bus, tmp_path: Path) -> None:
        async with file_server() as server, catalogue(bus, tmp_path, private_addresses=True):
            server.pages["/new.gguf"] = Page(small_model())
            steps = await taken(bus, PullModel(url=server.url("/new.gguf")))
            model = steps[-1].model
            assert model is not None and (model.name, model.verdict, len(model.sha256)) == ("new", "usable", 64)
            assert [each.name for each in await bus.request(ListModels(), within=WITHIN)] == ["new"]

    async def test_solo_stops_while_one_comes(self, bus: Bus, tmp_path: Path) -> None:
        async with file_server() as server:
            server.pages["/slow.gguf"] = Page(small_model(), drip=(100, 0.01))
            async with catalogue(bus, tmp_path, private_addresses=True):
                coming = asyncio.ensure_future(taken(bus, PullModel(url=server.url("/slow.gguf"))))
                while not (tmp_path / "models/.slow.gguf.part").exists():
                    await asyncio.sleep(0.01)
            with pytest.raises(FetchFailed, match="stopping"):
                await coming
        assert (tmp_path / "models/.slow.gguf.part").stat().st_size > 0

    async def test_a_hostile_one_is_kept_and_refused(self, bus: Bus, tmp_path: Path) -> None:
        async with file_server() as server, catalogue(bus, tmp_path, private_addresses=True):
            server.pages["/bad.gguf"] = Page(hostile()["tensors that overlap"])
            steps = await taken(bus, PullModel(url=server.url("/bad.gguf")))
            model = steps[-1].model
            assert model is not None and model.verdict == "refused"
            assert model.reason == "its header is damaged (the tensor 'b' overlaps another one)"

    async def test_one_of_this_machine(self, bus: Bus, tmp_path: Path) -> None:
        source = tmp_path / "elsewhere.gguf"
        source.write_bytes(small_model())
        async with catalogue(bus, tmp_path):
            steps = await taken(bus, ImportModel(path=str(source), name="mine"))
            assert steps[-1].model is not None and steps[-1].model.verdict == "usable"

    async def test_removing(self, bus: Bus, tmp_path: Path) -> None:
        path = put(tmp_path, "a.gguf")
        extra = tmp_path / "extra/b.gguf"
        extra.parent.mkdir()
        path.rename(extra)
        put(tmp_path, "a.gguf")
        async with catalogue(bus, tmp_path, extra=(extra.parent,)):
            with pytest.raises(ModelProtected):
                await bus.request(RemoveModel(name="b"), within=WITHIN)
            gone = await bus.request(RemoveModel(name="a"), within=WITHIN)
            assert gone.name == "a" and not path.exists()
            assert [each.name for each in await bus.request(ListModels(), within=WITHIN)] == ["b"]

    async def test_what_is_loaded_stays(self, bus: Bus, tmp_path: Path) -> None:
        path = put(tmp_path, "a.gguf")
        async with catalogue(bus, tmp_path, pool=pool_of("a")):
            with pytest.raises(ModelLoaded):
                await bus.request(RemoveModel(name="a"), within=WITHIN)
        assert path.exists()
        async with catalogue(Bus(), tmp_path):
            pass
