"""Every query in docs/COMMON_QUERIES.md runs, and finds what there is to find."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.app import PARTS, parts
from solo.storage import Connection, Schema
from solo.storage.connect import connect
from solo.storage.migrations import migrate
from tests import postgres

PAGE = Path(__file__).resolve().parents[2] / "docs" / "COMMON_QUERIES.md"
QUERIES = re.findall(r"^([^\n]*\S[^\n]*):\n\n```sql\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
SEED = """
INSERT INTO metrics.series (id, name, labels)
SELECT row_number() OVER (), name, labels::jsonb FROM (VALUES
    ('turn.count', '{"source": "voice", "outcome": "answered"}'),
    ('turn.voice_to_voice_ms', '{"source": "voice"}'),
    ('turn.prompt_tokens', '{"llm": "smol"}'), ('turn.completion_tokens', '{"llm": "smol"}'),
    ('errors', '{"code": "engine.died", "where": "turn"}'), ('engine.rss_bytes', '{"service": "llm"}')
) AS made (name, labels);
INSERT INTO metrics.points (at, series, value) SELECT now(), id, 42 FROM metrics.series;
SELECT metrics.roll_up();
INSERT INTO chats.chats (profile, name, first_at, last_at) VALUES ('owner', 'default', now(), now());
INSERT INTO chats.messages (chat_id, profile, turn_id, role, content, at, source, outcome)
    SELECT id, 'owner', 't1', 'user', 'I like tea.', now(), 'text', 'answered' FROM chats.chats;
INSERT INTO rag.facts (id, profile, subject, text, normalised) VALUES
    ('00000000-0000-4000-8000-000000000001', 'owner', 'likes', 'Likes tea.', 'likes tea');
INSERT INTO rag.facts (id, profile, subject, text, normalised, superseded_by, superseded_at) VALUES
    ('00000000-0000-4000-8000-000000000002', 'owner', 'likes', 'Likes coffee.', 'likes coffee',
     '00000000-0000-4000-8000-000000000001', now());
INSERT INTO rag.collections (profile, name) VALUES ('owner', 'manuals');
INSERT INTO rag.documents (id, collection_id, profile, name, media_type, sha256, bytes, chunks, added_at)
    SELECT '00000000-0000-4000-8000-000000000003', id, 'owner', 'kettle.md', 'text/markdown', 'x', 100, 1, now()
    FROM rag.collections;
INSERT INTO rag.chunks (document_id, collection_id, profile, char_offset, text)
    SELECT id, collection_id, 'owner', 0, 'The kettle is boiling.' FROM rag.documents;
INSERT INTO rag.indexes (embedder, dimensions, state) VALUES ('minilm', 384, 'active');
DO $$ BEGIN
    EXECUTE format('CREATE TABLE rag_vector.%I (embedding public.halfvec(384))', (SELECT table_name FROM rag.indexes));
END $$;
INSERT INTO solo.outbox (topic, body, dead, failure) VALUES ('chats.exchange', '{}', true, 'why not');
"""


def schemas() -> tuple[Schema, ...]:
    return tuple(
        schema for part in parts() for schema in part.tables(part.settings() if part.settings is not None else None)
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture
async def connection(folder: Path) -> AsyncIterator[Connection]:
    async with postgres.server(folder) as address:
        found = await connect(address)
        if await migrate(found, schemas()):
            await found.execute(SEED)
        yield found
        await found.close()


def test_every_query_on_the_page_is_run() -> None:
    assert len(PARTS) > 5
    assert len(QUERIES) == PAGE.read_text(encoding="utf-8").count("```sql") > 15


async def test_all_of_them(connection: Connection) -> None:
    for about, sql in QUERIES:
        changes = sql.startswith(("UPDATE", "DELETE", "INSERT"))
        transaction = connection.transaction(readonly=not changes)
        await transaction.start()
        try:
            if changes:
                assert await connection.execute(sql) == "UPDATE 1", about
            else:
                assert await connection.fetch(sql), f"{about}: nothing was found"
        finally:
            await transaction.rollback()


@pytest.mark.parametrize(("about", "sql"), QUERIES, ids=[about for about, _ in QUERIES])
def test_personal_data_is_asked_for_by_profile(about: str, sql: str) -> None:
    if re.search(r"\b(chats\.(chats|messages)|rag\.(facts|documents|chunks|collections))", sql):
        assert "profile = 'owner'" in sql
