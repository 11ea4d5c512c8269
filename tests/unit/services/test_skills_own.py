"""Skills of one's own: what the page shows works, what is wrong is told by its line, the rest goes on."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from services.messages.language import Complete, TextDelta
from services.skills.adapters.hassil_templates import HassilCompiler
from services.skills.languages.en.english import English
from services.skills.matching import Matcher
from services.skills.own.shelf import MOST_BYTES, MOST_FILES, Shelf
from solo.bus import Bus
from tests.stubs.services import answering, spec
from tests.stubs.skills_house import skills_house

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "skills.md").read_text(encoding="utf-8")
(EXAMPLE,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path, English(), HassilCompiler())


def write(folder: Path, name: str, text: str) -> None:
    """With a time of its own: two changes within one tick of the file system's clock look like one."""
    before = (folder / name).stat().st_mtime_ns if (folder / name).exists() else 0
    (folder / name).write_text(text, encoding="utf-8")
    stamp = (folder / name).stat().st_mtime_ns
    os.utime(folder / name, ns=(stamp, max(stamp, before + 1)))


class TestThePage:
    @pytest.mark.virtual_time
    async def test_its_example_does_what_it_says(self, bus: Bus, tmp_path: Path) -> None:
        write(tmp_path, "kitchen.yaml", EXAMPLE)
        asked: list[str] = []

        async def complete(question: Complete) -> AsyncGenerator[TextDelta, None]:
            asked.append(question.messages[-1].content)
            yield TextDelta(text="Bonjour ")
            yield TextDelta(text="Anna!")

        model = spec("llm", answering(Complete, complete), answers=(Complete,))
        async with skills_house(bus, folder=tmp_path, others=[model]) as house:
            assert (await house.say("Brew me some green tea, please.")).say == "Four minutes for your green tea."
            (timer,) = await house.timers()
            assert (timer.name, timer.length_s) == ("green tea", 240)
            assert (await house.say("Dinner is ready!")).say == "I told everybody."
            assert await house.listener.hears(1) == ["Dinner is ready!"]
            assert (await house.say("How do you say Good morning, Anna in French?")).say == "Bonjour Anna!"
            assert asked == ["Translate into French, and answer with nothing but the translation: Good morning, Anna"]

    @pytest.mark.virtual_time
    async def test_a_change_is_read_without_a_restart(self, bus: Bus, tmp_path: Path) -> None:
        async with skills_house(bus, folder=tmp_path, look_every_s=2.0) as house:
            write(tmp_path, "a.yaml", 'skills: {night: {sentences: ["good night"], say: "Sleep well."}}')
            await asyncio.sleep(3)
            assert (await house.say("Good night")).say == "Sleep well."
            write(tmp_path, "a.yaml", 'skills: {night: {sentences: ["good night"], say: "Sweet dreams."}}')
            await asyncio.sleep(3)
            assert (await house.say("Good night")).say == "Sweet dreams."
            write(tmp_path, "b.yaml", "skills: [")
            await asyncio.sleep(3)
            assert (await house.say("Good night")).say == "Sweet dreams."
            assert "b.yaml, line 1" in house.house.state("skills").note
            (tmp_path / "b.yaml").unlink()
            await asyncio.sleep(3)
            assert house.house.state("skills").note == ""

    def test_the_line_that_it_quotes(self, shelf: Shelf) -> None:
        write(shelf.folder, "kitchen.yaml", EXAMPLE.replace('"(make|brew) [me] [some] {drink}"', '"{drink}"'))
        (problem,) = shelf.read()[1]
        quoted = re.search(r"```text\n(.*?)\n```", PAGE, re.DOTALL)
        assert quoted is not None
        assert problem.line() == quoted[1]


WRONG = [
    ("skills:\n  a:\n    sentences: [hello]\n    say: [", 4, "is not YAML"),
    ("skills:\n  a:\n    sentences: [hello]\n    shout: Hi", 4, "skills.a.shout is not known"),
    ("skills:\n  a:\n    say: Hi", 2, "skills.a.sentences is missing"),
    ("skills:\n  a:\n    sentences: hello\n    say: Hi", 3, "has to be a list"),
    ("skills:\n  a:\n    sentences: [hello]", 2, "does nothing"),
    ("skills:\n  a:\n    sentences:\n      - hello\n      - (hello\n    say: Hi", 5, "not well formed"),
    ("skills:\n  a:\n    sentences:\n      - hello\n      - '{x}'\n    say: Hi", 5, "answer to everything"),
    ("skills:\n  a:\n    sentences: ['[please]']\n    say: Hi", 3, "answer to everything"),
    ("skills:\n  a:\n    sentences: ['say {a} {b} {c}']\n    say: Hi", 3, "2 gaps"),
    ("skills:\n  a:\n    sentences: ['call {name}', 'ring']\n    say: 'Calling {name}'", 4, "not in all sentences"),
    ("skills:\n  a:\n    sentences: [hello]\n    say: Hi\n    ask: Hi", 4, "say beside ask"),
    ("skills:\n  a:\n    sentences: [tea]\n    set_timer:\n      duration: soon", 5, "is no duration"),
    ("skills:\n  a:\n    sentences: ['<what> tea']\n    say: Hi", 3, "rules"),
    ("skills:\n  A b:\n    sentences: [hello]\n    say: Hi", 2, "cannot be a name"),
    ("skills:\n  a:\n    sentences: [hello]\n    say: Hi\n  a:\n    sentences: [bye]\n    say: Bye", 5, "twice"),
    ("x: &x [1, 1]\nskills: *x", 1, "& or *"),
    ("just text", 1, "named entries"),
    ("", 1, "named entries"),
    ("skills:\n  a:\n    sentences: ['" + "(a|b) " * 13 + "']\n    say: Hi", 3, "stands for more than"),
    ("# " + "x" * MOST_BYTES + "\nskills: {a: {sentences: [hello], say: Hi}}", 1, "larger than"),
]


@pytest.mark.parametrize(("text", "line", "problem"), WRONG, ids=[row[2] for row in WRONG])
def test_what_is_wrong_is_told_and_the_others_go_on(shelf: Shelf, text: str, line: int, problem: str) -> None:
    write(shelf.folder, "good.yaml", "skills: {night: {sentences: [good night], say: Sleep well.}}")
    write(shelf.folder, "wrong.yaml", text)
    own, problems = shelf.read()
    assert list(own.skills) == ["own.good.night"]
    (error,) = problems
    assert error.message.startswith(f"wrong.yaml, line {line}: ")
    assert problem in error.message
    assert error.hint
    assert shelf.read()[1] == []  # told once


def test_stop_cannot_be_taken_away(shelf: Shelf) -> None:
    write(shelf.folder, "mine.yaml", "skills: {a: {sentences: [stop, what time is it], say: Hi}}")
    own, _ = shelf.read()
    matcher = Matcher(English(), HassilCompiler())
    found = [matcher.match(text, own=own.templates) for text in ("Stop!", "What time is it?")]
    assert [match and match.skill for match in found] == ["control.stop", "own.mine.a"]


def test_the_number_of_files_is_bounded(shelf: Shelf) -> None:
    for number in range(MOST_FILES + 5):
        write(shelf.folder, f"f{number}.yaml", "skills: {a: {sentences: [hello], say: Hi}}")
    own, problems = shelf.read()
    assert own.skills == {}
    assert problems


def test_numbers_in_a_sentence_are_found_as_words_and_digits(shelf: Shelf) -> None:
    write(shelf.folder, "a.yaml", 'skills: {a: {sentences: ["plan twenty five", "it\'s {what} now"], say: Hi}}')
    own, problems = shelf.read()
    assert problems == []
    matcher = Matcher(English(), HassilCompiler())
    assert matcher.match("Plan 25!", own=own.templates) is not None
    assert matcher.match("plan twenty-five", own=own.templates) is not None
