"""The state directory: whose it is, who uses it, where that daemon is."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from solo.state_dir import (
    DAEMON_FILE,
    KEY_FILE,
    AlreadyRunning,
    Daemon,
    StateDir,
    StateDirUnusable,
)

HOLDER = """
import sys
from pathlib import Path
from solo.state_dir import StateDir
home = StateDir(Path(sys.argv[1]))
home.claim()
if sys.argv[2] != "-":
    home.announce(int(sys.argv[2]))
print("claimed", flush=True)
sys.stdin.read()
"""


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


class TestKey:
    def test_is_made_once_for_its_owner_alone(self, tmp_path: Path) -> None:
        home = StateDir(tmp_path)
        key = home.owner_key(create=True)
        assert key is not None
        assert len(key) >= 40
        assert mode(tmp_path / KEY_FILE) == 0o600
        assert StateDir(tmp_path).owner_key(create=True) == key
        assert StateDir(tmp_path).owner_key(create=False) == key

    def test_differs_between_directories(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        (tmp_path / "b").mkdir()
        assert StateDir(tmp_path / "a").owner_key(create=True) != StateDir(tmp_path / "b").owner_key(create=True)

    def test_is_not_made_by_looking(self, tmp_path: Path) -> None:
        assert StateDir(tmp_path).owner_key(create=False) is None
        assert list(tmp_path.iterdir()) == []

    def test_an_empty_one_is_made_anew(self, tmp_path: Path) -> None:
        (tmp_path / KEY_FILE).write_text("\n")
        assert StateDir(tmp_path).owner_key(create=False) is None
        assert StateDir(tmp_path).owner_key(create=True)

    def test_no_half_written_file_stays(self, tmp_path: Path) -> None:
        StateDir(tmp_path).owner_key(create=True)
        assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]

    @pytest.mark.parametrize("content", [b"\xff\xfe", None])
    def test_that_cannot_be_read_is_one_line(self, tmp_path: Path, content: bytes | None) -> None:
        if content is None:
            (tmp_path / KEY_FILE).mkdir()
        else:
            (tmp_path / KEY_FILE).write_bytes(content)
        with pytest.raises(StateDirUnusable, match=KEY_FILE) as caught:
            StateDir(tmp_path).owner_key(create=True)
        assert "\n" not in caught.value.line()


class TestClaim:
    def test_makes_the_directory_private(self, tmp_path: Path) -> None:
        path = tmp_path / "deep" / "down"
        home = StateDir(path)
        home.claim()
        assert mode(path) == 0o700
        home.release()

    @pytest.mark.parametrize(("port", "who"), [("8123", "pid {pid} on port 8123"), ("-", "still starting")])
    def test_a_second_daemon_is_told_who_is_there(self, tmp_path: Path, port: str, who: str) -> None:
        with subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(tmp_path), port], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"claimed\n"
            with pytest.raises(AlreadyRunning) as caught:
                StateDir(tmp_path).claim()
            assert who.format(pid=holder.pid) in caught.value.message
            assert "solo stop" in caught.value.hint
            assert "\n" not in caught.value.line()
            holder.communicate()
        home = StateDir(tmp_path)
        home.claim()
        home.release()

    def test_what_a_killed_daemon_left_is_swept_away(self, tmp_path: Path) -> None:
        with subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(tmp_path), "8123"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as holder:
            assert holder.stdout is not None
            holder.stdout.readline()
            holder.kill()
            holder.communicate()
        home = StateDir(tmp_path)
        assert home.daemon() == Daemon(pid=holder.pid, port=8123)
        home.claim()
        assert home.daemon() is None
        home.release()

    def test_can_be_claimed_again_after_release(self, tmp_path: Path) -> None:
        for _ in range(3):
            home = StateDir(tmp_path)
            home.claim()
            home.announce(1234)
            home.release()
            assert home.daemon() is None

    @pytest.mark.parametrize("below", ["file/state", "file"])
    def test_where_nothing_can_be_made(self, tmp_path: Path, below: str) -> None:
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(StateDirUnusable) as caught:
            StateDir(tmp_path / below).claim()
        assert str(tmp_path / below) in caught.value.message
        assert "SOLO_STATE_DIR" in caught.value.hint
        assert "\n" not in caught.value.line()

    @pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux")
    def test_where_nothing_can_be_written(self) -> None:
        with pytest.raises(StateDirUnusable):
            StateDir(Path("/proc/self")).claim()


class TestDaemon:
    def test_is_found(self, tmp_path: Path) -> None:
        home = StateDir(tmp_path)
        home.announce(4321)
        assert StateDir(tmp_path).daemon() == Daemon(pid=os.getpid(), port=4321)
        assert mode(tmp_path / DAEMON_FILE) == 0o600

    @pytest.mark.parametrize(
        "text",
        ["", "{", "[]", "null", "3", '{"pid": 1}', '{"pid": "x", "port": 1}', '{"pid": null, "port": 1}', "\x00"],
    )
    def test_nonsense_names_nobody(self, tmp_path: Path, text: str) -> None:
        (tmp_path / DAEMON_FILE).write_text(text)
        assert StateDir(tmp_path).daemon() is None

    def test_bytes_that_are_no_text_name_nobody(self, tmp_path: Path) -> None:
        (tmp_path / DAEMON_FILE).write_bytes(b"\xff\xff")
        assert StateDir(tmp_path).daemon() is None

    def test_a_directory_that_is_not_there(self, tmp_path: Path) -> None:
        assert StateDir(tmp_path / "nowhere").daemon() is None
        assert StateDir(tmp_path / "nowhere").owner_key(create=False) is None

    def test_is_announced_all_or_nothing(self, tmp_path: Path) -> None:
        home = StateDir(tmp_path)
        for port in range(1, 50):
            home.announce(port)
            assert json.loads((tmp_path / DAEMON_FILE).read_text())["port"] == port
        assert [path.name for path in tmp_path.iterdir()] == [DAEMON_FILE]
