"""Fetching a model from servers that are good, broken, slow or hostile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from services.messages.models import PullModel
from services.models import fetch, pull
from services.models.errors import (
    BadSource,
    ChecksumWrong,
    FetchFailed,
    FileTooLarge,
    ModelRefused,
)
from tests.file_server import FileServer, Page, file_server
from tests.gguf_files import split_model
from tests.stubs.intake import CONTENT, SHA, checked, intake, left, pulled


@pytest.fixture
async def server() -> AsyncIterator[FileServer]:
    async with file_server() as one:
        yield one


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pull, "PAUSE_S", 0.001)


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
