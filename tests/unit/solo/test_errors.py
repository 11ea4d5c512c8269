"""Named failures: one code each, the same on both sides of a wire, one line for people."""

from __future__ import annotations

import importlib
import pkgutil
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

import services
import solo
from solo.errors import ForeignError, SoloError, known_errors


def load_everything() -> dict[str, type[SoloError]]:
    for package in (solo, services):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__") and ".adapters" not in module.name:
                importlib.import_module(module.name)
    return {
        code: kind for code, kind in known_errors().items() if kind.__module__.partition(".")[0] in {"solo", "services"}
    }


ERRORS = load_everything()


class OutOfMilk(SoloError):
    """There is no milk.

    More is said here, which nobody is shown.
    """

    code = "test.out_of_milk"


class TestCodes:
    @pytest.mark.parametrize("code", sorted(ERRORS))
    def test_name_an_area_and_a_thing(self, code: str) -> None:
        assert re.fullmatch(r"[a-z]+\.[a-z_]+", code)

    @pytest.mark.parametrize("code", sorted(ERRORS))
    def test_every_error_says_what_it_is(self, code: str) -> None:
        doc = ERRORS[code].__doc__
        assert doc is not None
        assert doc.strip().splitlines()[0].endswith(".")

    def test_one_code_is_one_error(self) -> None:
        with pytest.raises(TypeError, match=r"Other takes the code 'test\.out_of_milk' of OutOfMilk"):
            type("Other", (SoloError,), {"code": "test.out_of_milk", "__qualname__": "Other"})
        assert known_errors()["test.out_of_milk"] is OutOfMilk

    def test_a_module_loaded_twice_is_no_clash(self) -> None:
        type("OutOfMilk", (SoloError,), {"code": "test.out_of_milk", "__qualname__": "OutOfMilk"})

    def test_no_error_inherits_its_code(self) -> None:
        seen: dict[str, type] = {}
        waiting = [kind for kind in SoloError.__subclasses__() if kind.__module__.startswith(("solo.", "services."))]
        while waiting:
            kind = waiting.pop()
            waiting += kind.__subclasses__()
            assert "code" in vars(kind), f"{kind.__qualname__} has no code of its own"
            assert seen.setdefault(kind.code, kind) is kind
        assert len(seen) > 20


class TestWire:
    @given(message=st.text(min_size=1), hint=st.text())
    def test_the_same_on_the_other_side(self, message: str, hint: str) -> None:
        back = SoloError.from_wire(OutOfMilk(message, hint=hint).to_wire())
        assert (type(back), back.message, back.hint, back.code) == (OutOfMilk, message, hint, "test.out_of_milk")

    def test_a_code_unknown_here(self) -> None:
        back = SoloError.from_wire({"code": "elsewhere.odd", "message": "Odd.", "hint": "Look there."})
        assert type(back) is ForeignError
        assert back.line() == "Odd. Look there. [elsewhere.odd]"
        assert SoloError.from_wire(back.to_wire()).code == "elsewhere.odd"

    def test_without_a_hint(self) -> None:
        assert SoloError.from_wire({"code": "test.out_of_milk", "message": "None."}).hint == ""

    @pytest.mark.parametrize("code", sorted(ERRORS))
    def test_every_error_can_come_back(self, code: str) -> None:
        back = SoloError.from_wire({"code": code, "message": "m", "hint": "h"})
        assert (type(back), back.code, back.hint) == (ERRORS[code], code, "h")
        assert back.retryable == ERRORS[code].retryable


class TestLine:
    def test_says_what_the_docstring_says(self) -> None:
        assert OutOfMilk().line() == "There is no milk. [test.out_of_milk]"

    @pytest.mark.parametrize(
        ("message", "hint", "line"),
        [
            ("no milk", "", "no milk. [test.out_of_milk]"),
            ("no milk", "Buy some.", "no milk. Buy some. [test.out_of_milk]"),
            ("no milk!", "Buy some.", "no milk! Buy some. [test.out_of_milk]"),
            ("no milk? ", "", "no milk? [test.out_of_milk]"),
        ],
    )
    def test_is_message_hint_code(self, message: str, hint: str, line: str) -> None:
        assert OutOfMilk(message, hint=hint).line() == line

    @pytest.mark.parametrize("message", ["two\nlines", "carriage\r\nreturn", "a\n\n\nb"])
    def test_is_one_line_whatever_a_library_said(self, message: str) -> None:
        assert len(OutOfMilk(message, hint="Do\nthis.").line().splitlines()) == 1
