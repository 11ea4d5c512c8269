"""Text leaves a language model in whole characters, without its stop string, thoughts and other people's turns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.llm.adapters.answer_text import AnswerText


def test_characters_come_whole() -> None:
    text = AnswerText()
    dog = "🐕".encode()
    assert [text.add(dog[i : i + 1]) for i in range(4)] == ["", "", "", "🐕"]


def test_an_unfinished_character_is_dropped_at_the_end() -> None:
    text = AnswerText()
    assert text.add("né".encode()[:-1]) + text.rest() == "n"


def test_a_stop_string_across_pieces_is_not_said() -> None:
    text = AnswerText(["END"])
    assert [text.add(piece) for piece in (b"one E", b"N", b"D two")] == ["one ", "", ""]
    assert text.stopped and text.rest() == ""


def test_a_beginning_of_a_stop_string_is_said_once_it_is_none() -> None:
    text = AnswerText(["END"])
    assert [text.add(piece) for piece in (b"an EN", b"VOY E")] == ["an ", "ENVOY "]
    assert text.rest() == "E" and not text.stopped


def test_the_first_of_several_stop_strings_counts() -> None:
    text = AnswerText(["two", "one"])
    assert text.add(b"zero one two") == "zero "


def test_a_repetitive_stop_string() -> None:
    text = AnswerText(["aab"])
    assert "".join(text.add(piece) for piece in (b"a", b"a", b"a", b"a", b"b")) == "aa"
    assert text.stopped


def test_a_skipped_blank_is_skipped_once_and_only_at_the_beginning() -> None:
    text = AnswerText(skip=" ")
    assert [text.add(piece) for piece in (b" one", b" two")] == ["one", " two"]
    assert AnswerText(skip=" ").add(b"one") == "one"


@given(st.text(max_size=30), st.lists(st.text("ab", min_size=1, max_size=3), max_size=3), st.data())
def test_pieces_make_no_difference(whole: str, stop: list[str], data: st.DataObject) -> None:
    raw = whole.encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=6)))
    text, said = AnswerText(stop), ""
    for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True):
        if not text.stopped:
            said += text.add(raw[start:end])
    said += text.rest()
    ends = [whole.index(mark) for mark in stop if mark in whole]
    assert text.stopped == bool(ends)
    # Two stop strings may end in different pieces: the one complete first counts, wherever the other began.
    assert whole.startswith(said)
    if len(ends) <= 1:
        assert said == whole[: min(ends, default=len(whole))]


CHATML = ("<|im_start|>assistant", "<|im_start|>user", "<|im_end|>")
LLAMA2 = ("</s>[INST]", "[/INST]", "[INST]", "</s>")
VICUNA = ("\nASSISTANT:", "\nUSER:", "</s>")
DEEPSEEK_CODER = ("\n### Instruction:", "\n### Response:")


def read(whole: str, size: int, **options: Any) -> tuple[str, AnswerText]:
    """What is said of a text that comes in pieces of `size` bytes."""
    raw, text, said = whole.encode(), AnswerText(**options), ""
    for start in range(0, len(raw), size):
        said += text.add(raw[start : start + size])
    return said + text.rest(), text


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("marks", "whole", "said"),
    [
        (CHATML, "Paris.<|im_end|>\n<|im_start|>user\nAnd Rome?", "Paris."),
        (CHATML, "Paris.\n<|im_start|>user\nAnd Rome?", "Paris.\n"),
        (CHATML, "Paris.<|im_start|>assistant\nParis.", "Paris."),
        (LLAMA2, "Paris.</s>[INST] And Rome? [/INST]", "Paris."),
        (LLAMA2, "Paris. [INST] And Rome?", "Paris. "),
        (LLAMA2, "Paris. [/INST] Rome.", "Paris. "),
        (LLAMA2, "Paris.</s>", "Paris."),
        (LLAMA2, "Paris.</s> \n", "Paris."),
        (VICUNA, "Paris.\nUSER: And Rome?\nASSISTANT: Rome.", "Paris."),
        (VICUNA, "Paris.</s>\nUSER: And Rome?", "Paris.</s>"),
        (DEEPSEEK_CODER, "print(1)\n### Instruction:\nMore", "print(1)"),
    ],
)
def test_a_model_that_speaks_for_somebody_else_is_not_listened_to(
    marks: Sequence[str], whole: str, said: str, size: int
) -> None:
    assert read(whole, size, marks=marks)[0] == said


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(
    "whole",
    [
        "Use <b> for bold text and </b> to end it.",
        "In HTML <s>old</s> is struck through; so is <s>this</s>.",
        "if (a < b || b > c) { x <<= 1; }",
        "The user: a person. USER: is a word, ASSISTANT: too.",
        "A user said:\n> User: hello\n- user: bye",
        "An array a[INST] is no marker, [inst] neither; [1] is a note.",
        "<|start is not a marker, nor is <|im_starter|>",
        "Pipes: a <| b |> c, and x <|> y",
        "Headings:\n### User guide\n### Instructions for use",
        "Ends with <",
        "Ends with <|im_",
        "Ends with\n",
        "\n\nBegins with line breaks",
        "I think <think> is a tag",
        "```\n<think>\n```",
    ],
)
def test_harmless_text_is_said_as_it_is(whole: str, size: int) -> None:
    marks = (*CHATML, "</s>[INST]", "\nUSER:", "\n### User:", "\n### Instruction:", "</s>")
    said, text = read(whole, size, marks=marks)
    assert said == whole and not text.stopped


@pytest.mark.parametrize("size", [1, 4, 1000])
@pytest.mark.parametrize(
    ("whole", "said", "thought"),
    [
        ("<think>\nHm, <b>.\n</think>\n\nParis.", "Paris.", "\nHm, <b>.\n"),
        (" \n<think></think>Paris.", "Paris.", ""),
        ("<think>never ends", "", "never ends"),
        ("<think>a</think>", "", "a"),
        ("<thinking> is a word", "<thinking> is a word", ""),
        ("<th", "<th", ""),
    ],
)
def test_thoughts_are_kept_apart(whole: str, said: str, thought: str, size: int) -> None:
    answer, text = read(whole, size)
    assert (answer, text.thought) == (said, thought)


def test_an_answer_may_begin_within_thoughts() -> None:
    said, text = read("Hm.</think>Paris.", 2, thinking=True)
    assert (said, text.thought) == ("Paris.", "Hm.")


def test_nothing_is_said_behind_the_end() -> None:
    text = AnswerText(marks=CHATML)
    assert text.add(b"Paris.<|im_end|>") == "Paris." and text.stopped
    assert text.add(b"more") == "" and text.rest() == ""


def test_text_is_held_back_only_while_it_may_become_a_mark() -> None:
    text = AnswerText(marks=CHATML)
    assert [text.add(piece) for piece in (b"a <", b"|", b"b", b" c")] == ["a ", "", "<|b", " c"]
