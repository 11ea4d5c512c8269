"""How a search in PostgreSQL is done: which words are followed, and which plan fits what the filter leaves."""

# ruff: noqa: S608  # names of tables are made of numbers, and everything else is a parameter

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.memory.adapters.fusion import K

EXACT_ROWS = 25_000
"""Up to this many rows behind the filter each is compared, which misses nothing. HNSW would skip most of what it finds:
behind a filter of 1 % it takes longer and finds less (tests/bench/memory.py measures both sides of it)."""
EF_SEARCH = 100
"""Candidates of the HNSW search; above `CANDIDATES`, so that those are found well. Of 200 000 clustered vectors 60 find
0.965 of the ten nearest, 100 find 0.985 to 0.991."""
CANDIDATES = 50
"""From each side, at least; more where more are wanted."""
TOO_COMMON = 4_000
"""Passages: a word that more of them are expected to have is not followed, as long as there are others."""
MOST_WORDS = 12
"""Of a query that are followed, the rarest."""
MOST_MATCHED = 600
"""Passages that are looked at for all words together; of a word that more of them have than its share, any."""
NARROW_ROWS = 5_000
"""Up to this many rows behind the filter, they are listed and met with those that have the word; with more, those that
have the word are looked at one by one: listing 100 000 rows takes longer than the whole search."""
_LEAST_SHARED = 3
"""One word or two do not get more than a third each."""
_MOST_COMMON_TOGETHER = 4

SHARES = """
SELECT word, share
FROM pg_stats s, unnest(s.most_common_elems::text::text[], s.most_common_elem_freqs) AS e (word, share)
WHERE s.schemaname = 'rag' AND s.tablename = 'chunks' AND s.attname = 'words' AND word IS NOT NULL
"""
"""The most common words and the share of all passages that have them; ANALYZE keeps them."""

SCOPE = f"""
SELECT i.id, i.dimensions, c.collection_ids, d.document_ids,
    coalesce(CASE WHEN $3::text IS NULL THEN c.chunks ELSE d.chunks END, 0)::bigint AS rows,
    (SELECT coalesce(sum(chunks), 0) FROM rag.collections)::bigint AS total,
    tsvector_to_array(to_tsvector('english', $4)) AS words,
    -- A wrong value would only be warned of, and HNSW then gives up before it has enough.
    '[1]'::halfvec IS NOT NULL
    AND set_config('hnsw.iterative_scan', 'relaxed_order', false) = 'relaxed_order'
    AND set_config('hnsw.ef_search', '{EF_SEARCH}', false) = '{EF_SEARCH}' AS is_tuned
FROM rag.indexes i
CROSS JOIN (
    SELECT array_agg(id) AS collection_ids, sum(chunks) AS chunks
    FROM rag.collections WHERE profile = $1 AND ($2::text IS NULL OR name = $2)
) c
CROSS JOIN LATERAL (
    SELECT array_agg(id) AS document_ids, sum(chunks) AS chunks
    FROM rag.documents WHERE profile = $1 AND name = $3 AND collection_id = ANY(c.collection_ids)
) d
WHERE i.state = 'active'
"""
"""What a search is about to look through. $1 profile, $2 collection, $3 document (both may be NULL), $4 the query."""


def followed(words: Sequence[str], shares: Mapping[str, float], total: int) -> list[str]:
    """A tsquery for each word that tells passages apart; what many have would cost the reading of thousands.

    When all are that common, one tsquery asks for those that have the rarest of them together.

    `words`: as to_tsvector gives them. `shares`: see `SHARES`. `total`: passages there are.
    """
    expected = sorted((shares.get(word, 0.0) * total, word) for word in words)
    rare = [_quoted(word) for rows, word in expected if rows <= TOO_COMMON]
    if rare or not expected:
        return rare[:MOST_WORDS]
    return [" & ".join(_quoted(word) for _, word in expected[:_MOST_COMMON_TOGETHER])]


def _quoted(word: str) -> str:
    """As a word of a tsquery, whatever is in it."""
    return "'" + word.replace("\\", "\\\\").replace("'", "''") + "'"


def search_sql(
    table: str | None, *, words: int, rows: int, by_collection: bool, by_document: bool, top: int, exact: bool
) -> str:
    """$1 profile, $2 tsqueries, $3 ids of collections, $4 ids of documents, $5 passages there are, $6 the vector.

    `table`: of the vectors, a name that Solo made; None: by words only, and $6 is left out. $3 has all collections of
    the profile when it is not asked for one, $4 is NULL then. `words`: how many tsqueries. `rows`: behind the filter.

    Words count by their rarity, as in BM25; how often one is in a passage does not: that would mean to unpack the words
    of each, which costs ten times as much as finding them.
    """
    candidates = max(CANDIDATES, top)
    scope = "profile = $1"
    scope += " AND collection_id = ANY($3::bigint[])" if by_collection else ""
    scope += " AND document_id = ANY($4::uuid[])" if by_document else ""
    of_a_word = MOST_MATCHED // max(words, _LEAST_SHARED)
    return f"""
WITH near AS MATERIALIZED ({_near(table, scope, candidates, exact=exact)}),
matching AS MATERIALIZED (
    SELECT chunk_id, sum(weight) AS rank
    FROM (
        SELECT chunk_id, ln(1 + $5::bigint / count(*) OVER (PARTITION BY query)::float8) AS weight
        FROM rag.matching($2::text[], {of_a_word}, $1, $3::bigint[], $4::uuid[], {rows <= NARROW_ROWS})
    ) weighed
    GROUP BY chunk_id ORDER BY rank DESC, chunk_id LIMIT {candidates}
),
fused AS (
    SELECT chunk_id, sum(1.0 / ({K} + place)) AS score FROM (
        SELECT chunk_id, row_number() OVER (ORDER BY distance + 0, chunk_id) AS place FROM near
        UNION ALL
        SELECT chunk_id, row_number() OVER (ORDER BY rank DESC, chunk_id) FROM matching
    ) placed
    GROUP BY chunk_id ORDER BY score DESC, chunk_id LIMIT {top}
)
SELECT c.text, c.page, c.char_offset, d.name AS document, l.name AS collection, {_likeness(table)} AS likeness
FROM fused f
JOIN rag.chunks c ON c.id = f.chunk_id
JOIN rag.documents d ON d.id = c.document_id
JOIN rag.collections l ON l.id = c.collection_id
{"" if table is None else f"LEFT JOIN {table} v ON v.chunk_id = f.chunk_id"}
ORDER BY f.score DESC, f.chunk_id
"""


def near_sql(table: str, *, exact: bool, by_collection: bool, top: int) -> str:
    """The part of `search_sql` that looks at vectors alone, with $1 profile, $2 ids of collections, $3 the vector."""
    scope = "profile = $1"
    scope += " AND collection_id = ANY($2::bigint[])" if by_collection else " AND ($2::bigint[] IS NULL OR true)"
    near = _near(table, scope, max(CANDIDATES, top), exact=exact).replace("$6", "$3")
    return f"WITH near AS MATERIALIZED ({near}) SELECT * FROM near ORDER BY distance + 0, chunk_id LIMIT {top}"


def _near(table: str | None, scope: str, candidates: int, *, exact: bool) -> str:
    if table is None:
        return "SELECT NULL::bigint AS chunk_id, NULL::float8 AS distance WHERE false"
    if exact:
        # OFFSET 0 keeps the planner from looking through the subquery and choosing HNSW.
        return f"""
    SELECT chunk_id, embedding <#> $6 AS distance
    FROM (SELECT chunk_id, embedding FROM {table} WHERE {scope} OFFSET 0) all_of_them
    ORDER BY distance, chunk_id LIMIT {candidates}"""
    return f"""
    SELECT chunk_id, embedding <#> $6 AS distance FROM {table} WHERE {scope}
    ORDER BY embedding <#> $6 LIMIT {candidates}"""


def _likeness(table: str | None) -> str:
    # The vectors have length 1, so the inner product is the cosine. One without a vector yet was found by its words.
    return "0.0::float8" if table is None else "coalesce(-(v.embedding <#> $6), 0.0)"
