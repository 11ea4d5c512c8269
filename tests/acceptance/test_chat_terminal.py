"""`solo chat` on a real terminal: typed at, interrupted in mid-answer, left; and with a whole daemon behind it."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.daemon import daemon
from tests.stubs.v1 import v1

_PROGRAM = (
    "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"  # Ctrl+C is a signal only on its own terminal
    "import typer; from solo.cli.chat_app import chat; typer.run(chat)"
)


class Terminal:
    def __init__(self, process: subprocess.Popen[bytes], end: int) -> None:
        self.process = process
        self.shown = ""
        self._raw = b""
        self._end = end
        self._seen = 0

    def types(self, text: str) -> None:
        os.write(self._end, text.encode())

    def shows(self, text: str) -> None:
        """Behind what was looked for before."""
        while (at := self.shown.find(text, self._seen)) < 0:
            assert self._read(), f"it ended before {text!r}; there is {self.shown[self._seen :]!r}"
        self._seen = at + len(text)

    def interrupts(self) -> None:
        """Ctrl+C at the prompt, again where nothing comes of it: Python's `input` does not notice a signal in the
        moment before it waits for the next key, and a test is quick enough to hit that."""
        for _ in range(30):
            self.types("\x03")
            if select.select([self._end], [], [], 1)[0]:
                return
        raise AssertionError("nothing comes of Ctrl+C")

    def ends(self) -> int:
        """The exit code."""
        while self._read():
            pass
        return self.process.wait(10)

    def _read(self) -> bool:
        """False: the other end is closed."""
        if not select.select([self._end], [], [], 30)[0]:
            raise AssertionError(f"nothing more comes; there is {self.shown!r}")
        try:
            self._raw += os.read(self._end, 65536)
        except OSError:
            return False
        self.shown = self._raw.decode(errors="ignore")  # a character may be there in part
        return True


@contextmanager
def chatting(home: Path, port: int, *words: str, term: str = "xterm") -> Iterator[Terminal]:
    end, program_end = os.openpty()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SOLO_")}
    environment = {**kept, "SOLO_PORT": str(port), "SOLO_STATE_DIR": str(home), "TERM": term, "COLUMNS": "200"}
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, *words],
        stdin=program_end, stdout=program_end, stderr=program_end, env=environment, start_new_session=True,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    os.close(program_end)
    try:
        yield Terminal(process, end)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)
        os.close(end)


@pytest.mark.parametrize("term", ["xterm-256color", "dumb"])
def test_typed_at_and_interrupted(tmp_path: Path, term: str) -> None:
    with v1() as stub, chatting(tmp_path, stub.port, term=term) as terminal:
        terminal.shows("Ctrl+D leaves")
        terminal.shows("> ")
        terminal.types("/temperature 0.7\r")
        terminal.shows("temperature: 0.7")
        terminal.shows("> ")
        terminal.types("/bogus\r")
        terminal.shows("there is no /bogus. /help lists the commands. [chat.bad_command]")
        terminal.types("/system Be brief.\r")
        terminal.shows("system: Be brief.")

        terminal.types("What is it?\r")
        terminal.shows("Paris is the capital.")
        terminal.shows("4 tokens, 100.0/s, first after ")
        terminal.shows("context 135 of 2048, tiny")
        assert stub.asked[0]["temperature"] == 0.7
        assert stub.asked[0]["messages"][0] == {"role": "system", "content": "Be brief."}

        stub.hold = 2
        terminal.types("And then?\r")
        terminal.shows("Paris is")
        assert stub.held.wait(10)
        terminal.types("\x03")
        terminal.shows("stopped after ")
        assert stub.left.wait(10), "the socket is not closed"
        stub.hold = None

        terminal.shows("> ")
        terminal.types("half a line")
        terminal.shows("half a line")
        terminal.interrupts()  # nothing is being answered: only the line goes
        terminal.shows("> ")
        terminal.types("/history\r")
        terminal.shows("user: And then?")
        terminal.shows("assistant: Paris is\r\n")
        terminal.types("/undo\r")
        terminal.shows("forgot the answer to: And then?")
        terminal.types("/retry\r")
        terminal.shows("Paris is the capital.")
        terminal.shows("> ")
        terminal.types("\x04")
        assert terminal.ends() == 0
        assert len(stub.asked) == 3
        if term == "dumb":
            assert "\x1b" not in terminal.shown


def test_a_model_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    with v1() as stub, chatting(tmp_path, stub.port) as terminal:
        stub.words = ("red \x1b[31m\x07", " and\x9b31m", " back\rwards\tor\nnot")
        terminal.shows("> ")
        terminal.types("What?\r")
        terminal.shows("red \N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER} and\N{REPLACEMENT CHARACTER}31m")
        terminal.shows(" back\N{REPLACEMENT CHARACTER}wards")
        terminal.types("/quit\r")
        assert terminal.ends() == 0


def test_a_daemon_that_is_not_there_is_told_and_can_come(tmp_path: Path) -> None:
    with v1() as stub, chatting(tmp_path, stub.port) as terminal:
        terminal.shows("> ")
        stub.error = (503, {"error": {"code": "bus.no_handler", "message": "no model", "hint": "Wait."}})
        terminal.types("What?\r")
        terminal.shows("no model. Wait. [bus.no_handler]")
        stub.error = None
        terminal.types("What?\r")
        terminal.shows("Paris is the capital.")
        terminal.shows("> ")
        terminal.types("\x04")
        assert terminal.ends() == 0
        assert stub.asked[1]["messages"] == [{"role": "user", "content": "What?"}]


def test_one_question_on_a_terminal(tmp_path: Path) -> None:
    with v1() as stub, chatting(tmp_path, stub.port, "What?", "--max", "9") as terminal:
        terminal.shows("Paris is the capital.")
        terminal.shows("4 tokens")
        assert terminal.ends() == 0
        assert stub.asked[0]["max_tokens"] == 9


def test_with_a_whole_daemon_and_a_model_that_is_played(tmp_path: Path) -> None:
    with daemon(tmp_path, LLM__ENGINE="fake", STT__ENGINE="fake", TTS__ENGINE="fake") as running:
        environment = {**os.environ, "SOLO_PORT": str(running.port), "SOLO_STATE_DIR": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-m", "solo.cli", "chat", "--json"],
            input="What is the capital of France?\nAnd?\n", env=environment, capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        first, second = map(json.loads, done.stdout.splitlines())
        assert first["answer"]
        assert first["tokens"]["completion"] > 0
        assert second["receipt"]["history"] > 0
        with chatting(tmp_path, running.port) as terminal:
            terminal.types("/max 3\r")
            terminal.shows("max_tokens: 3")
            terminal.types("What is the capital of France?\r")
            terminal.shows("3 tokens")
            terminal.shows("> ")
            terminal.types("\x04")
            assert terminal.ends() == 0
