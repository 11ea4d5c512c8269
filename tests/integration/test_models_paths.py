"""Names and paths that lead elsewhere: nothing outside of the folder of models is read, written or deleted."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from services.messages.models import ImportModel
from services.models import pull
from services.models.content import Content
from services.models.errors import BadName, BadSource, FileUnreadable, ModelExists
from services.models.intake import Intake, proper_name
from services.models.places import read_file, remove_file, write_file
from services.models.scan import Found
from solo.errors import SoloError
from solo.isolation.engine import ModelMissing
from tests.file_server import FileServer, Page, file_server
from tests.gguf_files import small_model
from tests.stubs.intake import CONTENT, checked, intake, left, pulled

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="has neither pipes nor links as these are")

NAMES = (
    "..", ".", "../x", "../../etc/passwd", "..\\x", "a/../../x", "/etc/passwd", "//etc/passwd", "C:\\x", "C:x", "~/x",
    "a/b", "a\\b", "x\0", "\0", "x\n", "x\r", "x\x1b[31m", ".hidden", "-rf", "--", " x", "_x", "con", "nul.gguf",
    "aux.txt.gguf", "lpt1", "x..gguf", "a" * 201, "é" * 101, "x" * 4096, "../" * 1365, "%2e%2e%2fx", "x?y", "x*",
    "x|y", "x:y", "x;y", "$(x)", "`x`", "\u202egguf", "\ufeffx", "x\u0000.gguf",
)  # fmt: skip


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FileServer]:
    monkeypatch.setattr(pull, "PAUSE_S", 0.001)
    async with file_server() as one:
        one.pages["/a.gguf"] = Page(CONTENT)
        yield one


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A file that nobody may touch, beside the folder of models."""
    (tmp_path / "models").mkdir()
    secret = tmp_path / "outside.gguf"
    secret.write_bytes(b"precious")
    return secret


async def brought(where: Intake, path: Path | str, name: str = "") -> list[Any]:
    return [step async for step in where.bring(ImportModel(path=str(path), name=name), checked)]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name[:20]))
async def test_names_that_are_no_names(server: FileServer, tmp_path: Path, outside: Path, name: str) -> None:
    mine = tmp_path / "mine.gguf"
    mine.write_bytes(small_model())
    with pytest.raises(BadName):
        proper_name(name)
    with pytest.raises((BadName, ValidationError)):  # the message itself takes no long ones
        await brought(intake(tmp_path), mine, name=name)
    with pytest.raises((BadName, ValidationError)):
        await pulled(intake(tmp_path), server.url("/a.gguf"), name=name)
    assert left(tmp_path) == [] and server.asked == []


class TestImport:
    @pytest.mark.parametrize(
        "path", ["a.gguf", "../a.gguf", "./a.gguf", "~/a.gguf", "", "/x\0/a.gguf", "file:///etc/passwd"]
    )
    async def test_paths_that_are_not_absolute(self, tmp_path: Path, path: str) -> None:
        with pytest.raises(BadSource):
            await brought(intake(tmp_path), path)

    @pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "/dev/stdin", "/proc/self/mem", "/", "/" + "a" * 4095])
    async def test_what_is_no_file(self, tmp_path: Path, outside: Path, path: str) -> None:
        with pytest.raises(SoloError) as caught:
            await brought(intake(tmp_path), path, name="x")
        assert caught.value.code in {"engine.model_missing", "engine.model_corrupt"} and left(tmp_path) == []

    async def test_a_pipe_is_not_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.gguf")
        with pytest.raises(ModelMissing):
            await brought(intake(tmp_path), tmp_path / "pipe.gguf")

    async def test_a_socket(self, tmp_path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(str(tmp_path / "s.gguf"))
            with pytest.raises(ModelMissing):
                await brought(intake(tmp_path), tmp_path / "s.gguf")

    @pytest.mark.parametrize("kind", ["pipe", "link"])
    async def test_exchanged_behind_the_check(
        self, tmp_path: Path, outside: Path, monkeypatch: pytest.MonkeyPatch, kind: str
    ) -> None:
        source = tmp_path / "mine.gguf"
        source.write_bytes(small_model())
        usual = os.link

        def exchanged(here: Path, there: Path) -> None:
            source.unlink()
            os.mkfifo(source) if kind == "pipe" else source.symlink_to(outside)
            usual(here, there)

        monkeypatch.setattr("services.models.intake.os.link", exchanged)
        if kind == "pipe":
            with pytest.raises(FileUnreadable):
                await brought(intake(tmp_path), source)
            assert left(tmp_path) == []
        else:  # any file may be named, so it is copied: what matters is that no link comes in
            await brought(intake(tmp_path), source)
            assert not (tmp_path / "models/mine.gguf").is_symlink()
        assert outside.read_bytes() == b"precious"


class TestFetching:
    """What lies in the folder already, put there by somebody else."""

    @pytest.mark.parametrize("name", [".a.gguf.part", ".a.gguf.part.json", "a.gguf"])
    @pytest.mark.parametrize("kind", ["link", "hard link", "link to nowhere"])
    async def test_links_are_not_written_through(
        self, server: FileServer, tmp_path: Path, outside: Path, name: str, kind: str
    ) -> None:
        there = tmp_path / "models" / name
        nowhere = tmp_path / "nowhere"
        if kind == "hard link":
            there.hardlink_to(outside)
        else:
            there.symlink_to(outside if kind == "link" else nowhere)
        if name == "a.gguf":
            with pytest.raises(ModelExists):
                await pulled(intake(tmp_path), server.url("/a.gguf"))
        else:
            await pulled(intake(tmp_path), server.url("/a.gguf"))
            assert (tmp_path / "models/a.gguf").read_bytes() == CONTENT
        assert outside.read_bytes() == b"precious" and not nowhere.exists()

    async def test_copying_does_not_either(
        self, tmp_path: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("services.models.intake._link", lambda *_: False)
        (tmp_path / "models/.mine.gguf.part").symlink_to(outside)
        source = tmp_path / "mine.gguf"
        source.write_bytes(small_model())
        await brought(intake(tmp_path), source)
        assert outside.read_bytes() == b"precious"
        assert (tmp_path / "models/mine.gguf").read_bytes() == small_model()

    async def test_a_pipe_in_the_place_of_the_part(self, server: FileServer, tmp_path: Path, outside: Path) -> None:
        os.mkfifo(tmp_path / "models/.a.gguf.part")
        os.mkfifo(tmp_path / "models/.a.gguf.part.json")
        await pulled(intake(tmp_path), server.url("/a.gguf"))
        assert (tmp_path / "models/a.gguf").read_bytes() == CONTENT


class TestRemoving:
    async def test_a_folder_that_is_exchanged_for_a_link(
        self, tmp_path: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Between the look at where it leads and the deletion."""
        where = intake(tmp_path)
        sub = where.folder / "sub"
        sub.mkdir()
        (sub / "outside.gguf").write_bytes(small_model())
        usual = os.open
        done: list[bool] = []

        def exchanging(path: Any, flags: int, *rest: Any, **named: Any) -> int:
            if not done:
                done.append(True)
                sub.rename(where.folder / "was")
                sub.symlink_to(tmp_path)
            return usual(path, flags, *rest, **named)

        monkeypatch.setattr("services.models.places.os.open", exchanging)
        with pytest.raises(FileUnreadable):
            path = sub / "outside.gguf"
            await where.remove(Found(path, (path,), "models", 1, 1))
        assert done and outside.read_bytes() == b"precious"

    def test_nothing_outside(self, tmp_path: Path, outside: Path) -> None:
        folder = tmp_path / "models"
        (folder / "way").symlink_to(tmp_path)
        for path in (outside, folder / "../outside.gguf", folder / "way/outside.gguf"):
            with pytest.raises(OSError, match="not in the folder"):
                remove_file(path, folder)
        remove_file(folder / "none.gguf", folder)
        assert outside.exists()


class TestOpening:
    @pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
    async def test_only_files(self, tmp_path: Path, kind: str) -> None:
        path = Path("/dev/null") if kind == "device" else tmp_path / "x"
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "folder":
            path.mkdir()
        with pytest.raises(OSError):
            read_file(path)
        with pytest.raises(OSError):
            write_file(path)
        with pytest.raises(FileUnreadable):
            async for _ in Content((path,)).read():
                pass

    def test_what_is_there_stays_when_it_should(self, tmp_path: Path) -> None:
        path = tmp_path / "x"
        for content, keep in ((b"one", False), (b"two", True), (b"three", False), (b"", False)):
            with write_file(path, keep=keep) as file:
                file.write(content)
            with read_file(path) as file:
                assert file.read() == {b"two": b"onetwo"}.get(content, content)
