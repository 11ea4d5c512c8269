"""`solo chat` and `solo cache` against a server that plays the daemon's: what is asked, shown, and kept."""

from __future__ import annotations

import io
import json
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from solo.cli import cache, chat
from solo.cli.chat import line_of
from solo.cli.chat_commands import COMMANDS, BadCommand, run
from solo.cli.chat_talk import Answered, Parameters, Talk
from solo.cli.client import Client, NoDaemon
from solo.cli.exits import Exit
from solo.settings import MachineSettings
from tests.stubs.v1 import END, Stub, v1

ANSWER = "Paris is the capital."


@pytest.fixture
def stub(bare_settings: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    with v1() as one:
        monkeypatch.setenv("SOLO_PORT", str(one.port))
        yield one


@pytest.fixture
def talk(stub: Stub) -> Talk:
    return Talk(Client(MachineSettings()), Parameters())


def nothing(_: str) -> None: ...


class TestTalk:
    def test_one_question(self, talk: Talk, stub: Stub) -> None:
        shown: list[str] = []
        answered = talk.ask("What is it?", shown.append)
        assert "".join(shown) == answered.text == ANSWER
        assert (answered.error, answered.stopped, answered.end) == (None, False, END)
        assert answered.first_ms is not None
        assert answered.tokens_per_s == 100
        assert stub.asked == [
            {
                "model": "dialog",
                "temperature": 0.0,
                "messages": [{"role": "user", "content": "What is it?"}],
                "stream": True,
                "stream_options": {"include_usage": True},
                "solo": {"lane": "chat"},
            }
        ]

    def test_the_history_and_every_parameter_are_sent(self, talk: Talk, stub: Stub, tmp_path: Path) -> None:
        schema = tmp_path / "schema.json"
        schema.write_text('{"type": "object"}')
        talk.ask("One?", nothing)
        for line in ("/temperature 0.7", "/top_p 0.9", "/max 20", "/seed 42", "/system Be brief.", "/model big",
                     "/stop END", r"/stop \n", f"/json {schema}", "/cache off"):  # fmt: skip
            run(talk, line)
        talk.ask("Two?", nothing)
        sent = stub.asked[1]
        assert sent["messages"] == [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "One?"},
            {"role": "assistant", "content": ANSWER},
            {"role": "user", "content": "Two?"},
        ]
        assert [sent[name] for name in ("temperature", "top_p", "max_tokens", "seed", "model", "stop")] == [
            0.7, 0.9, 20, 42, "big", ["END", "\n"],
        ]  # fmt: skip
        assert sent["response_format"]["json_schema"]["schema"] == {"type": "object"}
        assert sent["solo"] == {"lane": "chat", "cached": False}
        for line in ("/temperature", "/top_p", "/max", "/seed", "/system", "/model", "/stop", "/json", "/cache auto"):
            run(talk, line)
        assert talk.parameters == Parameters()

    def test_a_role(self, talk: Talk, stub: Stub) -> None:
        run(talk, "/role fast")
        talk.ask("One?", nothing)
        assert (stub.asked[0]["model"], stub.asked[0]["solo"]["role"]) == ("fast", "fast")

    def test_an_answer_stopped_in_the_middle_stays_as_far_as_it_came(self, talk: Talk, stub: Stub) -> None:
        stub.hold = 2

        def interrupt() -> None:
            stub.held.wait()
            signal.raise_signal(signal.SIGINT)

        def show(text: str) -> None:
            if text == " is":
                threading.Thread(target=interrupt).start()

        answered = talk.ask("One?", show)
        assert (answered.stopped, answered.text) == (True, "Paris is")
        assert stub.left.wait(10)
        assert talk.exchanges == [("One?", "Paris is")]

    @pytest.mark.parametrize("said", [(), ("Paris",)])
    def test_an_error_in_the_middle(self, talk: Talk, stub: Stub, said: tuple[str, ...]) -> None:
        stub.words = said
        stub.breaks = {"message": "The engine has died", "type": "server_error", "code": "engine.died"}
        answered = talk.ask("One?", nothing)
        assert answered.error is not None
        assert (answered.error.code, answered.text) == ("engine.died", "".join(said))
        assert talk.exchanges == ([("One?", "Paris")] if said else [])

    def test_an_error_without_a_code(self, talk: Talk, stub: Stub) -> None:
        stub.error = (400, {"error": {"message": "no", "type": "invalid_request_error", "param": None, "code": None}})
        answered = talk.ask("One?", nothing)
        assert answered.error is not None
        assert answered.error.line() == "no. [cli.refused]"

    def test_no_daemon(self, talk: Talk) -> None:
        other = Talk(Client(MachineSettings(), port=1), Parameters())
        assert isinstance(other.ask("One?", nothing).error, NoDaemon)


class TestCommands:
    def test_undo_and_retry(self, talk: Talk, stub: Stub) -> None:
        talk.ask("One?", nothing)
        talk.ask("Two?", nothing)
        assert run(talk, "/retry").again
        talk.again(nothing)
        assert stub.asked[2]["messages"] == stub.asked[1]["messages"]
        assert stub.asked[2]["solo"]["cached"] is False
        assert len(talk.exchanges) == 2
        stub.error = (503, {"error": {"code": "llm.loading", "message": "loading", "hint": ""}})
        talk.again(nothing)
        assert [question for question, _ in talk.exchanges] == ["One?", "Two?"]  # the old answer stays
        assert "Two?" in run(talk, "/undo").say
        assert "One?" in run(talk, "/history").say
        run(talk, "/clear")
        assert talk.exchanges == []
        for line in ("/undo", "/retry", "/history"):
            assert run(talk, line).say.startswith("nothing was")

    def test_save(self, talk: Talk, tmp_path: Path) -> None:
        talk.ask("One?", nothing)
        run(talk, "/seed 7")
        path = tmp_path / "talk.json"
        run(talk, f"/save {path}")
        kept = json.loads(path.read_text())
        assert kept["messages"][-1] == {"role": "assistant", "content": ANSWER}
        assert kept["parameters"]["seed"] == 7
        with pytest.raises(BadCommand, match="is there already"):
            run(talk, f"/save {path}")

    @pytest.mark.parametrize(
        ("line", "says"),
        [
            ("/temprature 1", "Did you mean /temperature?"), ("/xyzzy", "/help lists"), ("/", "/help lists"),
            ("/temperature hot", "from 0"), ("/temperature 6", "from 0"), ("/temperature nan", "from 0"),
            ("/top_p 0", "above 0"), ("/max 0", "from 1"), ("/max 1.5", "whole number"), ("/seed x", "whole number"),
            ("/role king", "dialog, logic"), ("/json /no/such/file", "JSON schema"), ("/json .", "JSON schema"),
            ("/cache maybe", "on, off or auto"), ("/save", "/save talk.json"), ("/save /no/such/folder/x", "place"),
        ],
    )  # fmt: skip
    def test_what_cannot_be_understood_gets_one_line_that_helps(self, talk: Talk, line: str, says: str) -> None:
        before = talk.parameters.body()
        with pytest.raises(BadCommand) as raised:
            run(talk, line)
        assert says in raised.value.line()
        assert "\n" not in raised.value.line()
        assert talk.parameters.body() == before

    def test_help_and_params_name_everything(self, talk: Talk) -> None:
        told = run(talk, "/help").say
        assert [name for name in COMMANDS if f"/{name} " not in told] == []
        assert "seed        as usual" in run(talk, "/params").say
        run(talk, "/temp 0.5")
        assert "temperature 0.5" in run(talk, "/params").say


class TestLine:
    def test_everything_on_it(self) -> None:
        answered = Answered("?", text="x", first_ms=13.6, end=dict(END))
        assert line_of(answered, 2048) == (
            "4 tokens, 100.0/s, first after 14 ms, 120 of 131 prompt tokens cached, context 135 of 2048, tiny"
        )

    def test_what_a_person_should_know(self) -> None:
        end = {**END, "finish": "length", "fallback": "big is down", "from_cache": True, "decode_s": 0.0}
        end["receipt"] = {**END["receipt"], "dropped_messages": 4}
        line = line_of(Answered("?", end=end), None)
        for said in ("4 oldest messages did not fit", "cut off", "an earlier answer", "fallback: big is down"):
            assert said in line
        assert "/s" not in line

    def test_a_server_that_says_less(self) -> None:
        assert (
            line_of(Answered("?", first_ms=5.0, usage={"completion_tokens": 4}), None) == "4 tokens, first after 5 ms"
        )


def feed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


class TestThroughAPipe:
    def test_a_question_a_line(
        self, stub: Stub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        feed(monkeypatch, "One?\n\n/max 7\nTwo?\n//etc?\n")
        assert chat.chat(None, Parameters(), as_json=False) is Exit.OK
        said, aside = capsys.readouterr()
        assert said == f"{ANSWER}\n" * 3
        assert aside == "max_tokens: 7\n"
        assert [asked["messages"][-1]["content"] for asked in stub.asked] == ["One?", "Two?", "/etc?"]
        assert len(stub.asked[2]["messages"]) == 5
        assert "max_tokens" not in stub.asked[0]
        assert stub.asked[1]["max_tokens"] == 7

    def test_json_is_one_object_an_answer(
        self, stub: Stub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        stub.words = ("tab\t", "line\nbreak", " é")
        feed(monkeypatch, "One?\n/retry\n/quit\nnever\n")
        assert chat.chat(None, Parameters(), as_json=True) is Exit.OK
        first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
        assert first["answer"] == second["answer"] == "tab\tline\nbreak é"
        assert set(first) == {
            "question", "answer", "finish", "error", "model", "role", "fallback", "from_cache", "tokens",
            "first_token_ms", "tokens_per_s", "receipt",
        }  # fmt: skip
        assert (first["model"], first["tokens"]["completion"], first["tokens_per_s"]) == ("tiny", 4, 100.0)

    def test_one_question_is_not_looked_at_for_commands(self, stub: Stub, capsys: pytest.CaptureFixture[str]) -> None:
        assert chat.chat("/help", Parameters(), as_json=False) is Exit.OK
        assert capsys.readouterr().out == f"{ANSWER}\n"
        assert stub.asked[0]["messages"][-1]["content"] == "/help"

    def test_a_failure_is_told_and_the_next_question_asked(
        self, stub: Stub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        stub.error = (400, {"error": {"code": "llm.prompt_too_long", "message": "too long", "hint": "Shorten it."}})
        feed(monkeypatch, "One?\nTwo?\n")
        assert chat.chat(None, Parameters(), as_json=True) is Exit.FAILED
        told = [json.loads(line)["error"]["code"] for line in capsys.readouterr().out.splitlines()]
        assert told == ["llm.prompt_too_long"] * 2

    def test_a_bad_command_ends_a_script(self, stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
        feed(monkeypatch, "/max many\nOne?\n")
        with pytest.raises(BadCommand):
            chat.chat(None, Parameters(), as_json=False)
        assert stub.asked == []

    def test_a_daemon_that_is_not_there_ends_it(self, bare_settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SOLO_PORT", "1")
        feed(monkeypatch, "One?\nTwo?\n")
        with pytest.raises(NoDaemon):
            chat.chat(None, Parameters(), as_json=False)


STATE: dict[str, Any] = {
    "enabled": True, "memory_entries": 2, "memory_bytes": 5000, "memory_limit_bytes": 64_000_000,
    "stored_entries": 7, "stored_bytes": 12_345, "stored_limit_bytes": 256_000_000, "ttl_s": 86400.0 * 7,
    "hits_memory": 3, "hits_stored": 1, "misses": 4, "shared": 2, "dropped": 0,
}  # fmt: skip


class TestCache:
    def test_stats(self, stub: Stub, capsys: pytest.CaptureFixture[str]) -> None:
        stub.cache = STATE
        assert cache.stats(as_json=False) is Exit.OK
        said = capsys.readouterr().out
        for part in ("6 of 10 questions (60%)", "5.0 kB", "12.3 kB", "256.0 MB", "7 days"):
            assert part in said
        cache.stats(as_json=True)
        assert json.loads(capsys.readouterr().out) == STATE

    def test_what_a_person_should_know(self, stub: Stub, capsys: pytest.CaptureFixture[str]) -> None:
        away = {"enabled": False, "stored_entries": None, "stored_bytes": None, "dropped": 5}
        stub.cache = {**STATE, **away, **dict.fromkeys(("hits_memory", "hits_stored", "misses", "shared"), 0)}
        cache.stats(as_json=False)
        said = capsys.readouterr().out
        for part in ("switched off", "does not answer", "5 answers were not written", "Nothing that may be kept"):
            assert part in said

    def test_clear(self, stub: Stub, capsys: pytest.CaptureFixture[str]) -> None:
        assert cache.clear("a b", "anna", as_json=False) is Exit.OK
        cache.clear("", "", as_json=True)
        said = capsys.readouterr().out
        assert said.startswith("forgot 3 answers\n")
        assert [path for _, path in stub.requests] == ["/api/llm/cache?model=a+b&profile=anna", "/api/llm/cache"]
