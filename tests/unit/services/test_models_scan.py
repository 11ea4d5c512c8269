"""Which files in which folders are models, and under which names."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from services.models import packaged
from services.models.describing import describe
from services.models.entries import Entries, plain
from services.models.errors import ModelUnknown
from services.models.packaged import Packaged
from services.models.scan import Folders, Found, Looker
from tests.gguf_files import small_model, split_model

LONG_AGO = time.time_ns() - 3600 * 10**9


@pytest.fixture(autouse=True)
def _nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaged, "PACKAGES", ())


def put(path: Path, data: bytes = b"GGUF", *, age: bool = True) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    if age:
        os.utime(path, ns=(LONG_AGO, LONG_AGO))
    return path


def looker(folder: Path, *extra: Path) -> Looker:
    return Looker(Folders(folder / "models", extra, folder / "joined"))


def names(found: list[Found]) -> list[str]:
    return [each.path.name for each in found]


class TestLooking:
    def test_model_files_and_nothing_else(self, tmp_path: Path) -> None:
        for name in ("b.gguf", "A.GGUF", "sub/c.gguf", "README.md", ".hidden.gguf", ".a.gguf.part", "x.gguf.part",
                     ".cache/d.gguf", "a\nb.gguf", "a\x1b[31mb.gguf"):  # fmt: skip
            put(tmp_path / "models" / name)
        (tmp_path / "models/folder.gguf").mkdir()
        os.mkfifo(tmp_path / "models/pipe.gguf")
        assert names(looker(tmp_path).look()) == ["A.GGUF", "b.gguf", "c.gguf"]

    def test_folders_that_are_not_there_are_empty(self, tmp_path: Path) -> None:
        assert looker(tmp_path, tmp_path / "gone").look() == []

    def test_extra_folders_and_what_is_named_twice(self, tmp_path: Path) -> None:
        put(tmp_path / "models/a.gguf")
        put(tmp_path / "extra/b.gguf")
        found = looker(tmp_path, tmp_path / "extra", tmp_path / "extra", tmp_path / "models").look()
        assert [(each.path.name, each.origin) for each in found] == [("a.gguf", "models"), ("b.gguf", "extra")]

    def test_a_name_of_other_bytes_is_left_out(self, tmp_path: Path) -> None:
        (tmp_path / "models").mkdir()
        (Path(os.fsdecode(os.fsencode(tmp_path / "models") + b"/\xff.gguf"))).write_bytes(b"GGUF")
        assert looker(tmp_path).look() == []

    def test_depth_has_an_end(self, tmp_path: Path) -> None:
        put(tmp_path / "models" / "/".join("abcdef") / "in.gguf")
        put(tmp_path / "models" / "/".join("abcdefg") / "out.gguf")
        assert names(looker(tmp_path).look()) == ["in.gguf"]


class TestSettling:
    def test_a_file_being_copied_is_not_judged(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        now = [1000.0]
        monkeypatch.setattr(time, "monotonic", lambda: now[0])
        look = looker(tmp_path)
        path = put(tmp_path / "models/a.gguf", b"GG", age=False)
        assert look.look() == []
        now[0] += 10
        path.write_bytes(b"GGUF")  # it has grown
        assert look.look() == []
        now[0] += 2
        assert look.look() == []
        now[0] += 2
        assert names(look.look()) == ["a.gguf"]

    def test_one_that_claims_to_be_of_tomorrow_too(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        now = [1000.0]
        monkeypatch.setattr(time, "monotonic", lambda: now[0])
        path = put(tmp_path / "models/a.gguf")
        os.utime(path, (time.time() + 86400,) * 2)
        look = looker(tmp_path)
        assert look.look() == []
        now[0] += 4
        assert names(look.look()) == ["a.gguf"]

    def test_one_that_is_trusted_at_once(self, tmp_path: Path) -> None:
        path = put(tmp_path / "models/a.gguf", age=False)
        look = looker(tmp_path)
        look.trust(path)
        assert names(look.look()) == ["a.gguf"]


class TestLinks:
    def test_within_the_folder(self, tmp_path: Path) -> None:
        """As the cache of the Hugging Face hub lays them."""
        put(tmp_path / "models/hub/blobs/0123", small_model())
        (tmp_path / "models/hub/snapshots/main").mkdir(parents=True)
        (tmp_path / "models/hub/snapshots/main/a.gguf").symlink_to("../../blobs/0123")
        found = looker(tmp_path).look()
        assert names(found) == ["a.gguf"] and found[0].problem == ""
        assert describe(found[0], "a").model.architecture == "llama"

    def test_out_of_it(self, tmp_path: Path) -> None:
        secret = put(tmp_path / "secret.gguf", small_model())
        (tmp_path / "models/way").parent.mkdir()
        (tmp_path / "models/way").symlink_to(tmp_path)
        (tmp_path / "models/a.gguf").symlink_to(secret)
        (tmp_path / "models/b.gguf").symlink_to("nowhere")
        (tmp_path / "models/c.gguf").symlink_to("c.gguf")
        found = {each.path.name: each for each in looker(tmp_path).look()}
        assert sorted(found) == ["a.gguf", "b.gguf"]  # and not c.gguf, which leads to itself
        for each in found.values():
            model = describe(each, "x").model
            assert model.verdict == "refused" and "link" in model.reason and model.architecture == ""

    def test_in_circles(self, tmp_path: Path) -> None:
        put(tmp_path / "models/a.gguf")
        (tmp_path / "models/circle").symlink_to(tmp_path / "models")
        assert names(looker(tmp_path).look()) == ["a.gguf"]


class TestParts:
    def test_they_are_one_model(self, tmp_path: Path) -> None:
        (tmp_path / "models").mkdir()
        paths = split_model(tmp_path / "models", "big")
        for path in paths:
            os.utime(path, ns=(LONG_AGO, LONG_AGO))
        (found,) = looker(tmp_path).look()
        assert found.files == tuple(paths) and found.size == sum(path.stat().st_size for path in paths)
        assert describe(found, "big").model.reason == ""

    @pytest.mark.parametrize(("missing", "says"), [(0, "00001-of-00003"), (1, "00002-of-00003")])
    def test_one_that_is_missing(self, tmp_path: Path, missing: int, says: str) -> None:
        (tmp_path / "models").mkdir()
        paths = split_model(tmp_path / "models", "big")
        for path in paths:
            os.utime(path, ns=(LONG_AGO, LONG_AGO))
        paths[missing].unlink()
        (found,) = looker(tmp_path).look()
        model = describe(found, "big").model
        assert model.verdict == "refused" and says in model.reason and "missing" in model.reason


class TestPackages:
    def test_found_without_being_imported(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        put(tmp_path / "site/solo_test_weights/m.gguf", small_model())
        put(tmp_path / "site/solo_test_weights/__init__.py", b"raise RuntimeError('it was imported')")
        monkeypatch.syspath_prepend(tmp_path / "site")
        monkeypatch.setattr(
            packaged,
            "PACKAGES",
            (Packaged("m.gguf", (("solo_test_weights", "m.gguf"),)), Packaged("n.gguf", (("not_there_at_all", "n"),))),
        )
        (found,) = looker(tmp_path).look()
        assert (found.origin, found.in_pieces) == ("package", False)
        model = describe(found, "m").model
        assert (model.verdict, model.origin) == ("usable", "package")

    def test_pieces_are_read_as_one(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        data = small_model()
        for number, piece in enumerate((data[:20_000], data[20_000:]), 1):
            put(tmp_path / f"site/solo_test_part{number}/x.part", piece)
        monkeypatch.syspath_prepend(tmp_path / "site")
        pieces = (("solo_test_part1", "x.part"), ("solo_test_part2", "x.part"))
        monkeypatch.setattr(packaged, "PACKAGES", (Packaged("whole.gguf", pieces),))
        (found,) = looker(tmp_path).look()
        assert found.in_pieces and found.path == tmp_path / "joined/whole.gguf"
        model = describe(found, "whole").model
        assert (model.architecture, model.size_bytes, model.verdict) == ("llama", len(data), "usable")


class TestNames:
    @pytest.mark.parametrize(
        ("file", "name"),
        [
            ("SmolLM2-135M-Instruct.Q4_1.gguf", "smollm2-135m-instruct.q4_1"),
            ("a b#c?d%e&f/g.GGUF", "a-b-c-d-e-f-g"),
            ("Big-00001-of-00003.gguf", "big"),
            ("Größe.gguf", "größe"),
            ("no-ending", "no-ending"),
            ("..gguf", "model"),
            (".gguf", "model"),
        ],
    )
    def test_plain(self, file: str, name: str) -> None:
        assert plain(file) == name

    def test_they_are_unique(self) -> None:
        entries = Entries()
        entries.apply(
            Found(Path(path), (Path(path),), origin, 1, 1)  # type: ignore[arg-type]
            for path, origin in (
                ("/extra/one/a.gguf", "extra"), ("/models/a.gguf", "models"), ("/models/sub/A.gguf", "models"),
                ("/other/one/a.gguf", "extra"),
            )
        )  # fmt: skip
        assert {str(entry.found.path): entry.name for entry in entries} == {
            "/models/a.gguf": "a", "/models/sub/A.gguf": "a@sub", "/extra/one/a.gguf": "a@one",
            "/other/one/a.gguf": "a@one-2",
        }  # fmt: skip
        for asked in ("a", "A", "a.gguf", "A.GGUF", "/models/a.gguf", "/models/../models/a.gguf"):
            assert str(entries.find(asked).found.path) == "/models/a.gguf"

    def test_what_is_not_there(self) -> None:
        entries = Entries()
        for asked in ("", "a", "../a", "/etc/passwd", "a\0b", "/a\0b", "x" * 100_000):
            with pytest.raises(ModelUnknown):
                entries.find(asked)

    def test_a_file_that_changes_keeps_its_name_and_is_read_again(self) -> None:
        entries = Entries()
        before = Found(Path("/models/a.gguf"), (Path("/models/a.gguf"),), "models", 1, 1)
        other = Found(Path("/extra/a.gguf"), (Path("/extra/a.gguf"),), "extra", 1, 1)
        entries.apply([before, other])
        assert entries.apply([before, other]) == ([], [])
        after = Found(before.path, before.files, "models", 2, 2)
        new, gone = entries.apply([after, other])
        assert [entry.found for entry in new] == [after] and gone == []
        assert entries.find("a").found == after
        new, gone = entries.apply([other])
        assert new == [] and [entry.name for entry in gone] == ["a"]
        assert entries.find("a@extra").found == other
