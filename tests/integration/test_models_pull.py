"""Fetching a model from servers that are good, broken, slow or hostile."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from services.messages.models import FileProgress, ImportModel, ModelFile, PullModel
from services.models import content as content_module
from services.models import fetch, pull
from services.models.errors import (
    AddressForbidden,
    BadName,
    BadSource,
    ChecksumWrong,
    FetchFailed,
    FileBusy,
    FileTooLarge,
    ModelExists,
    ModelProtected,
    ModelRefused,
    NoSpace,
)
from services.models.fetch import Fetcher
from services.models.intake import Intake
from services.models.scan import Found
from solo.isolation.engine import ModelCorrupt, ModelMissing
from tests.file_server import FileServer, Page, file_server
from tests.gguf_files import small_model, split_model

CONTENT = small_model() + bytes(400_000)
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
async def server() -> AsyncIterator[FileServer]:
    async with file_server() as one:
        yield one


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pull, "PAUSE_S", 0.001)


def intake(
    folder: Path, *, private: bool = True, most: int = 10**9, endpoint: str = "https://hub", token: str = ""
) -> Intake:
    return Intake(folder / "models", Fetcher(endpoint, token, private), most)


async def checked(path: Path, sha256: str) -> ModelFile:
    return ModelFile(
        name=path.stem, path=str(path), origin="models", size_bytes=path.stat().st_size, modified=0, sha256=sha256
    )


async def pulled(where: Intake, url: str, sha256: str = "", name: str = "") -> list[FileProgress]:
    asked = PullModel(url=url, sha256=sha256, name=name)
    return [step async for step in where.pull(asked, checked)]


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "models").iterdir())


class TestAGoodServer:
    async def test_the_file_comes_whole(self, server: FileServer, tmp_path: Path) -> None:
        server.pages["/a.gguf"] = Page(CONTENT)
        steps = await pulled(intake(tmp_path), server.url("/a.gguf"))
        assert (tmp_path / "models/a.gguf").read_bytes() == CONTENT
        assert left(tmp_path) == ["a.gguf"]
        assert [step.step for step in (steps[0], steps[-2], steps[-1])] == ["connecting", "checking", "done"]
        assert steps[-1].model is not None and steps[-1].model.sha256 == SHA
        assert {step.total_bytes for step in steps if step.step == "fetching"} == {len(CONTENT)}
        assert server.asked[0].headers["accept-encoding"] == "identity"

    async def test_under_another_name(self, server: FileServer, tmp_path: Path) -> None:
        server.pages["/some%20file?download=true"] = Page(CONTENT)
        await pulled(intake(tmp_path), server.url("/some%20file?download=true"))
        server.pages["/b.gguf"] = Page(CONTENT)
        await pulled(intake(tmp_path), server.url("/b.gguf"), name="mine")
        assert left(tmp_path) == ["mine.gguf", "some file.gguf"]

    async def test_with_the_right_checksum(self, server: FileServer, tmp_path: Path) -> None:
        server.pages["/a.gguf"] = Page(CONTENT)
        await pulled(intake(tmp_path), server.url("/a.gguf"), sha256=SHA.upper())
        assert left(tmp_path) == ["a.gguf"]

    async def test_of_unknown_length(self, server: FileServer, tmp_path: Path) -> None:
        server.pages["/a.gguf"] = Page(CONTENT, length=False)
        await pulled(intake(tmp_path), server.url("/a.gguf"))
        assert (tmp_path / "models/a.gguf").read_bytes() == CONTENT

    async def test_all_parts_of_a_split_model(self, server: FileServer, tmp_path: Path) -> None:
        for path in split_model(tmp_path, "big"):
            server.pages[f"/{path.name}"] = Page(path.read_bytes())
        steps = await pulled(intake(tmp_path), server.url("/big-00001-of-00003.gguf"))
        assert left(tmp_path) == [f"big-0000{n}-of-00003.gguf" for n in (1, 2, 3)]
        done = [step.done_bytes for step in steps if step.step == "fetching"]
        assert done == sorted(done)

    async def test_from_the_hub(self, server: FileServer, tmp_path: Path) -> None:
        """It says the hash, and leads to another machine, which must not be told the token."""
        async with file_server() as storage:
            storage.pages["/blob"] = Page(CONTENT)
            server.pages["/owner/some.repo/resolve/main/sub/a%20b.gguf"] = Page(
                location=storage.url("/blob", "localhost"),
                headers={"X-Linked-Etag": f'"{SHA}"', "X-Linked-Size": str(len(CONTENT))},
            )
            where = intake(tmp_path, endpoint=server.url(""), token="secret")
            await pulled(where, "hf:owner/some.repo/sub/a b.gguf")
            assert server.asked[0].headers["authorization"] == "Bearer secret"
            assert "authorization" not in storage.asked[0].headers
            assert storage.asked[0].headers["host"] == f"localhost:{storage.port}"
        assert left(tmp_path) == ["a b.gguf"]


class TestGoingOn:
    async def test_a_connection_that_breaks(self, server: FileServer, tmp_path: Path) -> None:
        server.pages["/a.gguf"] = Page(CONTENT, cut_after=[100_000, 150_000])
        await pulled(intake(tmp_path), server.url("/a.gguf"))
        assert (tmp_path / "models/a.gguf").read_bytes() == CONTENT
        assert [asked.headers.get("range") for asked in server.asked] == [None, "bytes=100000-", "bytes=250000-"]
        assert server.asked[1].headers["if-range"] == '"one"'

    async def test_a_server_that_is_busy_for_a_moment(self, server: FileServer, tmp_path: Path) -> None:
        server.pages["/a.gguf"] = Page(CONTENT, status=[503, 429, 500])
        await pulled(intake(tmp_path), server.url("/a.gguf"))
        assert len(server.asked) == 4

    async def test_after_it_was_given_up(self, server: FileServer, tmp_path: Path) -> None:
        page = server.pages["/a.gguf"] = Page(CONTENT, cut_after=[200_000, 0, 0, 0, 0, 0, 0])
        with pytest.raises(FetchFailed) as caught:
            await pulled(intake(tmp_path), server.url("/a.gguf"))
        assert "goes on where it stopped" in caught.value.hint
        assert left(tmp_path) == [".a.gguf.part", ".a.gguf.part.json"]
        page.cut_after.clear()
        server.asked.clear()
        steps = await pulled(intake(tmp_path), server.url("/a.gguf"))
        assert server.asked[0].headers["range"] == "bytes=200000-"
        assert steps[0].done_bytes == 200_000 and "hashing" in {step.step for step in steps}
        assert (tmp_path / "models/a.gguf").read_bytes() == CONTENT and left(tmp_path) == ["a.gguf"]

    async def test_when_the_asker_leaves(self, server: FileServer, tmp_path: Path) -> None:
        page = server.pages["/a.gguf"] = Page(CONTENT, stall=asyncio.Event())
        where = intake(tmp_path)
        async with aclosing(where.pull(PullModel(url=server.url("/a.gguf")), checked)) as steps:
            async for step in steps:
                if step.step == "fetching" and step.done_bytes:
                    break
        have = (tmp_path / "models/.a.gguf.part").stat().st_size
        assert 0 < have < len(CONTENT)
        page.stall = None
        await pulled(where, server.url("/a.gguf"))
        assert server.asked[-1].headers["range"] == f"bytes={have}-"
        assert (tmp_path / "models/a.gguf").read_bytes() == CONTENT

    async def test_when_only_the_name_was_missing(self, server: FileServer, tmp_path: Path) -> None:
        server.pages["/a.gguf"] = Page(CONTENT, cut_after=[len(CONTENT) - 1, 0, 0, 0, 0, 0])
        with pytest.raises(FetchFailed):
            await pulled(intake(tmp_path), server.url("/a.gguf"))
        part = tmp_path / "models/.a.gguf.part"
        part.write_bytes(CONTENT)
        await pulled(intake(tmp_path), server.url("/a.gguf"))
        assert (tmp_path / "models/a.gguf").read_bytes() == CONTENT

    async def test_a_server_without_ranges_begins_again(self, server: FileServer, tmp_path: Path) -> None:
        server.pages["/a.gguf"] = Page(CONTENT, cut_after=[200_000], ranges=False)
        await pulled(intake(tmp_path), server.url("/a.gguf"))
        assert (tmp_path / "models/a.gguf").read_bytes() == CONTENT

    @pytest.mark.parametrize("honest", [True, False])
    async def test_a_file_that_has_changed_begins_again(self, server: FileServer, tmp_path: Path, honest: bool) -> None:
        page = server.pages["/a.gguf"] = Page(CONTENT, cut_after=[200_000, 0, 0, 0, 0, 0])
        with pytest.raises(FetchFailed):
            await pulled(intake(tmp_path), server.url("/a.gguf"))
        page.cut_after.clear()
        page.content = CONTENT[:-1] + b"x"
        page.etag = '"two"' if honest else ""  # no ETag: its If-Range is not looked at
        if not honest:
            page.headers["Last-Modified"] = "Sat, 01 Jan 2000 00:00:00 GMT"
        await pulled(intake(tmp_path), server.url("/a.gguf"))
        assert (tmp_path / "models/a.gguf").read_bytes() == page.content

    async def test_another_address_begins_again(self, server: FileServer, tmp_path: Path) -> None:
        server.pages["/one/a.gguf"] = Page(b"GGUF" + bytes(300_000), cut_after=[200_000, 0, 0, 0, 0, 0])
        server.pages["/two/a.gguf"] = Page(CONTENT)
        with pytest.raises(FetchFailed):
            await pulled(intake(tmp_path), server.url("/one/a.gguf"))
        await pulled(intake(tmp_path), server.url("/two/a.gguf"))
        assert (tmp_path / "models/a.gguf").read_bytes() == CONTENT

    async def test_without_a_name_for_the_content_it_begins_again(self, server: FileServer, tmp_path: Path) -> None:
        page = server.pages["/a.gguf"] = Page(CONTENT, cut_after=[200_000, 0, 0, 0, 0, 0], etag="")
        with pytest.raises(FetchFailed):
            await pulled(intake(tmp_path), server.url("/a.gguf"))
        page.cut_after.clear()
        server.asked.clear()
        await pulled(intake(tmp_path), server.url("/a.gguf"))
        assert "range" not in server.asked[0].headers

    async def test_a_part_that_was_damaged_is_found_out(self, server: FileServer, tmp_path: Path) -> None:
        page = server.pages["/a.gguf"] = Page(CONTENT, cut_after=[200_000, 0, 0, 0, 0, 0])
        with pytest.raises(FetchFailed):
            await pulled(intake(tmp_path), server.url("/a.gguf"), sha256=SHA)
        page.cut_after.clear()
        (tmp_path / "models/.a.gguf.part").write_bytes(bytes(200_000))
        with pytest.raises(ChecksumWrong):
            await pulled(intake(tmp_path), server.url("/a.gguf"), sha256=SHA)
        assert left(tmp_path) == []


class TestABadServer:
    async def test_the_wrong_content(self, server: FileServer, tmp_path: Path) -> None:
        server.pages["/a.gguf"] = Page(CONTENT)
        with pytest.raises(ChecksumWrong, match=SHA):
            await pulled(intake(tmp_path), server.url("/a.gguf"), sha256="0" * 64)
        assert left(tmp_path) == []

    async def test_content_that_is_not_what_the_server_says(self, server: FileServer, tmp_path: Path) -> None:
        server.pages["/a.gguf"] = Page(CONTENT, etag=f'"{"1" * 64}"')
        with pytest.raises(ChecksumWrong):
            await pulled(intake(tmp_path), server.url("/a.gguf"))

    @pytest.mark.parametrize("code", [400, 401, 403, 404, 410, 418])
    async def test_it_refuses(self, server: FileServer, tmp_path: Path, code: int) -> None:
        server.pages["/a.gguf"] = Page(CONTENT, status=[code])
        with pytest.raises(FetchFailed, match=str(code)):
            await pulled(intake(tmp_path), server.url("/a.gguf"))
        assert len(server.asked) == 1

    async def test_it_sends_a_page_to_sign_in(self, server: FileServer, tmp_path: Path) -> None:
        server.pages["/a.gguf"] = Page(b"<html>sign in</html>" * 1000)
        with pytest.raises(ModelRefused, match="not a GGUF"):
            await pulled(intake(tmp_path), server.url("/a.gguf"))
        assert left(tmp_path) == []

    async def test_it_is_never_there(self, server: FileServer, tmp_path: Path) -> None:
        with pytest.raises(FetchFailed, match="tries"):
            await pulled(intake(tmp_path), "http://127.0.0.1:1/a.gguf")

    @pytest.mark.parametrize("length", [True, False])
    async def test_it_sends_too_much(self, server: FileServer, tmp_path: Path, length: bool) -> None:
        server.pages["/a.gguf"] = Page(CONTENT, length=length)
        with pytest.raises(FileTooLarge):
            await pulled(intake(tmp_path, most=300_000), server.url("/a.gguf"))

    async def test_it_packs_the_file(self, server: FileServer, tmp_path: Path) -> None:
        server.pages["/a.gguf"] = Page(CONTENT, headers={"Content-Encoding": "gzip"})
        with pytest.raises(FetchFailed, match="packs"):
            await pulled(intake(tmp_path), server.url("/a.gguf"))

    async def test_it_sends_another_part(self, server: FileServer, tmp_path: Path) -> None:
        server.pages["/a.gguf"] = Page(CONTENT, cut_after=[100_000], lies_about_range=True)
        with pytest.raises(FetchFailed, match="another part"):
            await pulled(intake(tmp_path), server.url("/a.gguf"))

    async def test_it_says_nothing_any_more(
        self, server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(fetch, "READ_WITHIN_S", 0.05)
        server.pages["/a.gguf"] = Page(CONTENT, stall=asyncio.Event())
        with pytest.raises(FetchFailed):
            await pulled(intake(tmp_path), server.url("/a.gguf"))

    async def test_it_drips(self, server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pull, "SLOW_S", 0.05)
        server.pages["/a.gguf"] = Page(CONTENT, drip=(8, 0.01))
        with pytest.raises(FetchFailed, match="bytes in"):
            await pulled(intake(tmp_path), server.url("/a.gguf"))

    async def test_it_leads_in_circles(self, server: FileServer, tmp_path: Path) -> None:
        server.pages["/a.gguf"] = Page(location="/a.gguf")
        with pytest.raises(FetchFailed, match="leads on"):
            await pulled(intake(tmp_path), server.url("/a.gguf"))

    @pytest.mark.parametrize(
        "there", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://x/", "http://u:p@127.0.0.1/x", "http://[::1"]
    )
    async def test_it_leads_to_what_is_no_web_server(self, server: FileServer, tmp_path: Path, there: str) -> None:
        server.pages["/a.gguf"] = Page(location=there)
        with pytest.raises((BadSource, FetchFailed)):
            await pulled(intake(tmp_path), server.url("/a.gguf"))
        assert left(tmp_path) == []


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
