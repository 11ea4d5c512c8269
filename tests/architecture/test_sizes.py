"""Files that a person can read at once, under names that say what is in them."""

from __future__ import annotations

import ast

import pytest

from tests.architecture.tree import ROOT, modules

MOST_LINES = 300
FILES = [str(path.relative_to(ROOT)) for path in modules()]
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "tools", "core", "base", "shared", "stuff"}


@pytest.mark.parametrize("file", FILES)
def test_no_file_is_too_long(file: str) -> None:
    lines = len((ROOT / file).read_text(encoding="utf-8").splitlines())
    assert lines <= MOST_LINES, f"{file} has {lines} lines"


def test_every_name_says_something() -> None:
    for path in modules():
        for name in (path.stem, *path.relative_to(ROOT).parts[:-1]):
            assert name not in VAGUE, path
            assert not name.startswith("base_"), path


@pytest.mark.parametrize("file", FILES)
def test_every_module_says_what_it_is_for(file: str) -> None:
    doc = ast.get_docstring(ast.parse((ROOT / file).read_text(encoding="utf-8")))
    assert doc, f"{file} has no docstring"
    assert doc.splitlines()[0].endswith((".", "?", "!", ":")), f"{file}: {doc.splitlines()[0]}"
