"""Every statement that reads or changes what belongs to a person says whose it is."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.memory.adapters.plans import near_sql, search_sql

ROOT = Path(__file__).resolve().parents[2]
PERSONAL = re.compile(
    r"\b(?:FROM|JOIN|INTO|UPDATE)\s+(?:chats\.(?:chats|messages)|rag\.(?:documents|chunks|facts)|skills\.timers)\b"
)
STATEMENT = re.compile(r"\b(?:SELECT|INSERT INTO|UPDATE|DELETE FROM)\b")
UPKEEP = (
    # What Solo does with everybody's passages and facts without showing them to anybody: vectors and counts.
    "SELECT c.id, c.text FROM rag.chunks c WHERE c.id > $1 AND NOT EXISTS (SELECT FROM",
    "SELECT EXISTS (SELECT FROM rag.documents)",
    "SELECT EXISTS (SELECT FROM rag.chunks c WHERE NOT EXISTS (SELECT FROM",
    "SELECT count(*) FROM rag.facts WHERE superseded_at IS NULL",
    "SELECT id, text FROM rag.facts WHERE superseded_at IS NULL AND embedder IS DISTINCT FROM $1",
    "UPDATE rag.facts f SET embedder = $1, embedding = v.embedding FROM unnest(",
    # Timers are told without being asked for, and counted for everybody; by their ids, once it is known whose they are.
    "SELECT id, profile, kind, name, source, length_s, by_clock, set_at, due_at, boot, due_steady, paused_s, told_at",
    "DELETE FROM skills.timers WHERE id = ANY",
    "UPDATE skills.timers SET told_at = now() WHERE id = ANY",
    "UPDATE skills.timers t SET due_at = v.due_at FROM unnest(",
    # The profile is in a part that is put in; looked at whole below.
    "WITH near AS MATERIALIZED (",
)
FILES = sorted(path for path in (ROOT / "services").rglob("*.py") if PERSONAL.search(path.read_text(encoding="utf-8")))


def statements(path: Path) -> Iterator[tuple[int, str]]:
    """(line, text) of the SQL in a file; what is put into a text shows as `{}`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        text = ""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        elif isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        if STATEMENT.search(text):
            yield node.lineno, " ".join(text.split())


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_it_names_the_profile(path: Path) -> None:
    ownerless = [
        f"{line}: {text}"
        for line, text in statements(path)
        if PERSONAL.search(text) and "profile" not in text and not text.startswith(UPKEEP)
    ]
    assert ownerless == []


def test_there_is_something_to_look_at() -> None:
    assert len(FILES) >= 4
    assert sum(1 for path in FILES for _, text in statements(path) if PERSONAL.search(text)) >= 20


@pytest.mark.parametrize(
    ("table", "by_collection", "by_document", "exact"),
    list(itertools.product(["rag.index_1", None], [False, True], [False, True], [False, True])),
)
def test_so_does_every_search(table: str | None, by_collection: bool, by_document: bool, exact: bool) -> None:
    sql = search_sql(table, words=2, rows=100, by_collection=by_collection, by_document=by_document, top=5, exact=exact)
    assert re.search(r"rag\.matching\([^)]*\$1", sql), "the words' side"
    if table is not None:
        assert "profile = $1" in sql, "the meaning's side"
        assert "profile = $1" in near_sql(table, exact=exact, by_collection=by_collection, top=5)


def test_the_search_for_words_keeps_to_it_too() -> None:
    migration = (ROOT / "services/memory/migrations/rag/0001_documents.sql").read_text(encoding="utf-8")
    body = migration[migration.index("FUNCTION rag.matching") :]
    assert body[: body.index("COMMENT")].count("profile = ") >= 1
