"""Where models may come from and go to: names, folders, addresses, and files of this machine."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.messages.models import FileProgress, ImportModel
from services.models import content as content_module
from services.models import pull
from services.models.errors import (
    AddressForbidden,
    BadName,
    BadSource,
    FileBusy,
    ModelExists,
    ModelProtected,
    NoSpace,
)
from services.models.intake import Intake
from services.models.scan import Found
from solo.isolation.engine import ModelCorrupt, ModelMissing
from tests.file_server import FileServer, Page, file_server
from tests.gguf_files import small_model, split_model
from tests.stubs.intake import CONTENT, checked, intake, left, pulled


@pytest.fixture
async def server() -> AsyncIterator[FileServer]:
    async with file_server() as one:
        yield one


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pull, "PAUSE_S", 0.001)


class TestPlaces:
    async def test_nothing_is_overwritten(self, server: FileServer, tmp_path: Path) -> None:
        server.pages["/a.gguf"] = Page(CONTENT)
        (tmp_path / "models").mkdir()
        (tmp_path / "models/a.gguf").write_text("mine")
        with pytest.raises(ModelExists):
            await pulled(intake(tmp_path), server.url("/a.gguf"))
        assert (tmp_path / "models/a.gguf").read_text() == "mine" and server.asked == []

    async def test_nor_what_came_there_meanwhile(self, server: FileServer, tmp_path: Path) -> None:
        page = server.pages["/a.gguf"] = Page(CONTENT, stall=asyncio.Event())
        task = asyncio.ensure_future(pulled(intake(tmp_path), server.url("/a.gguf")))
        while not server.asked:
            await asyncio.sleep(0.01)
        (tmp_path / "models/a.gguf").write_text("mine")
        assert page.stall is not None
        page.stall.set()
        with pytest.raises(ModelExists):
            await task
        assert (tmp_path / "models/a.gguf").read_text() == "mine"

    async def test_two_do_not_write_the_same_file(self, server: FileServer, tmp_path: Path) -> None:
        page = server.pages["/a.gguf"] = Page(CONTENT, stall=asyncio.Event())
        where = intake(tmp_path)
        task = asyncio.ensure_future(pulled(where, server.url("/a.gguf")))
        while not server.asked:
            await asyncio.sleep(0.01)
        with pytest.raises(FileBusy):
            await pulled(where, server.url("/a.gguf"))
        assert page.stall is not None
        page.stall.set()
        await task

    async def test_a_full_disk(self, server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        server.pages["/a.gguf"] = Page(CONTENT)
        monkeypatch.setattr(content_module, "SPARE", 2**62)
        with pytest.raises(NoSpace):
            await pulled(intake(tmp_path), server.url("/a.gguf"))

    @pytest.mark.parametrize(
        "name", ["../x", "..", ".hidden", "a/b", "a\\b", "x\0", "con", "-rf", "a" * 300, "é\n", ""]
    )
    async def test_names_that_are_none(self, server: FileServer, tmp_path: Path, name: str) -> None:
        url = server.url("/%2e%2e%2f%2e%2e%2fetc%2fpasswd" if name == "" else "/a.gguf")
        server.pages["/a.gguf"] = Page(CONTENT)
        with pytest.raises(BadName):
            await pulled(intake(tmp_path), url, name=name[:200] if len(name) > 200 else name)
        assert server.asked == []

    @pytest.mark.parametrize("private", [False])
    @pytest.mark.parametrize(
        "url", ["http://127.0.0.1/a.gguf", "http://localhost/a.gguf", "http://[::1]/a.gguf", "http://10.0.0.1/a.gguf",
                "http://169.254.169.254/latest/meta-data", "http://0.0.0.0/a.gguf", "http://192.168.1.1/a.gguf",
                "http://[::ffff:127.0.0.1]/a.gguf", "http://2130706433/a.gguf", "http://127.1/a.gguf",
                "http://[fe80::1]/a.gguf", "http://100.64.0.1/a.gguf", "http://224.0.0.1/a.gguf"],
    )  # fmt: skip
    async def test_machines_of_this_network_are_not_asked(self, tmp_path: Path, url: str, private: bool) -> None:
        with pytest.raises(AddressForbidden):
            await pulled(intake(tmp_path, private=private), url)

    async def test_nor_where_another_one_leads_there(
        self, server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from services.models import address

        server.pages["/a.gguf"] = Page(location=f"http://localhost:{server.port}/secret")
        # The first hop counts as public; the second is looked up as it is.
        usual = address._is_public
        hops: list[str] = []

        def first_is_public(number: str) -> bool:
            hops.append(number)
            return len(hops) == 1 or usual(number)

        monkeypatch.setattr(address, "_is_public", first_is_public)
        with pytest.raises(AddressForbidden):
            await pulled(intake(tmp_path, private=False), server.url("/a.gguf"))
        assert [asked.path for asked in server.asked] == ["/a.gguf"]

    @pytest.mark.parametrize(
        "url", ["", "a.gguf", "/etc/passwd", "file:///etc/passwd", "ftp://host/a.gguf", "http://", "https://:443/x",
                "http://user:password@host/a.gguf", "hf:", "hf:owner/repo", "hf:owner/../../x.gguf", "hf:../a/b.gguf",
                "hf:owner/repo/../x.gguf", "http://host:99999/x.gguf", "javascript:alert(1)", "http://a b/\n"],
    )  # fmt: skip
    async def test_sources_that_are_none(self, tmp_path: Path, url: str) -> None:
        with pytest.raises(BadSource):
            await pulled(intake(tmp_path), url, name="a")


class TestFromThisMachine:
    async def brought(self, where: Intake, path: Path | str, name: str = "") -> list[FileProgress]:
        return [step async for step in where.bring(ImportModel(path=str(path), name=name), checked)]

    async def test_a_file_is_linked_or_copied(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        source = tmp_path / "mine.gguf"
        source.write_bytes(small_model())
        steps = await self.brought(intake(tmp_path), source)
        assert (tmp_path / "models/mine.gguf").samefile(source)
        assert steps[-1].model is not None
        assert steps[-1].model.sha256 == hashlib.sha256(small_model()).hexdigest()

        def no_links(*_: object) -> bool:
            return False

        monkeypatch.setattr("services.models.intake._link", no_links)
        steps = await self.brought(intake(tmp_path), source, name="copy")
        assert "copying" in {step.step for step in steps}
        assert (tmp_path / "models/copy.gguf").read_bytes() == source.read_bytes()
        assert not (tmp_path / "models/copy.gguf").samefile(source)
        assert left(tmp_path) == ["copy.gguf", "mine.gguf"]

    async def test_all_parts(self, tmp_path: Path) -> None:
        paths = split_model(tmp_path, "big")
        await self.brought(intake(tmp_path), paths[0])
        assert left(tmp_path) == [path.name for path in paths]
        with pytest.raises(BadName):
            await self.brought(intake(tmp_path), paths[0], name="other")

    async def test_what_is_no_model_stays_out(self, tmp_path: Path) -> None:
        (tmp_path / "bad.gguf").write_text("no model at all, but long enough")
        with pytest.raises(ModelCorrupt):
            await self.brought(intake(tmp_path), tmp_path / "bad.gguf")
        for missing in (tmp_path / "none.gguf", tmp_path, "/dev/zero"):
            with pytest.raises(ModelMissing):
                await self.brought(intake(tmp_path), missing)
        for wrong in ("relative.gguf", "", "/tmp/nul\0.gguf"):
            with pytest.raises(BadSource):
                await self.brought(intake(tmp_path), wrong)
        assert not (tmp_path / "models").exists()

    async def test_nothing_is_overwritten(self, tmp_path: Path) -> None:
        source = tmp_path / "mine.gguf"
        source.write_bytes(small_model())
        await self.brought(intake(tmp_path), source)
        with pytest.raises(ModelExists):
            await self.brought(intake(tmp_path), source)

    async def test_only_what_is_in_the_folder_is_removed(self, tmp_path: Path) -> None:
        where = intake(tmp_path)
        where.folder.mkdir()
        inside, outside = where.folder / "a.gguf", tmp_path / "b.gguf"
        for path in (inside, outside):
            path.write_bytes(small_model())
        (where.folder / "link.gguf").symlink_to(outside)
        (where.folder / "way").symlink_to(tmp_path)
        for path, origin in ((outside, "extra"), (outside, "models"), (where.folder / "way/b.gguf", "models")):
            with pytest.raises(ModelProtected):
                await where.remove(Found(path, (path,), origin, 1, 1))  # type: ignore[arg-type]
        for path in (inside, where.folder / "link.gguf"):
            await where.remove(Found(path, (path,), "models", 1, 1))
        assert left(tmp_path) == ["way"] and outside.exists()
