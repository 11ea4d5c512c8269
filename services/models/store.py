"""The table of model files: what was found out about a file holds as long as the file is the same."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from services.messages.models import ModelFile, Verdict
from services.models.entries import Entry
from solo.storage import Database

_MOST_INTEGER = 2**31 - 1
_LAST_SECOND = 253_402_300_799
"""Of the year 9999; a file may say anything of its age."""
_SAVE = """
INSERT INTO models.files AS f (
    path, kind, format, size_bytes, modified_at, sha256, architecture, family, parameters, quantisation, context_tokens,
    embedding_dimensions, licence, verdict, verdict_reason, checked_at, details
) VALUES (
    $1, 'llm', 'gguf', $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
    CASE WHEN $12 = 'unchecked' THEN NULL ELSE now() END, $14
)
ON CONFLICT (path) DO UPDATE SET
    kind = excluded.kind, format = excluded.format, size_bytes = excluded.size_bytes,
    modified_at = excluded.modified_at, sha256 = excluded.sha256, architecture = excluded.architecture,
    family = excluded.family, parameters = excluded.parameters, quantisation = excluded.quantisation,
    context_tokens = excluded.context_tokens, embedding_dimensions = excluded.embedding_dimensions,
    licence = excluded.licence, verdict = excluded.verdict, verdict_reason = excluded.verdict_reason,
    checked_at = CASE
        WHEN (f.verdict, f.verdict_reason) IS NOT DISTINCT FROM (excluded.verdict, excluded.verdict_reason)
        THEN coalesce(f.checked_at, excluded.checked_at) ELSE excluded.checked_at END,
    details = excluded.details, last_seen_at = now(), gone_at = NULL
"""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What was found out about a file."""

    stamp: tuple[int, int]
    """Its size, and its time of change in Unix nanoseconds, when that was."""
    checks: str
    """By which checks."""
    verdict: Verdict
    reason: str
    sha256: str
    templates_tried: bool


class ModelStore:
    """Raises the errors of `Database`."""

    def __init__(self, database: Database, checks: str) -> None:
        """`checks`: names the checks of today; verdicts of others do not count."""
        self._database = database
        self._checks = checks

    async def remembered(self, paths: Sequence[str], *, within: float) -> dict[str, Remembered]:
        """By path; what other checks said is left out."""
        rows = await self._database.fetch(
            "SELECT path, size_bytes, sha256, verdict, verdict_reason, details FROM models.files"
            " WHERE kind = 'llm' AND path = ANY($1::text[])",
            list(paths),
            within=within,
        )
        found: dict[str, Remembered] = {}
        for row in rows:
            details: dict[str, Any] = json.loads(row["details"])
            if details.get("checks") != self._checks:
                continue
            found[row["path"]] = Remembered(
                stamp=(row["size_bytes"], int(details.get("modified_ns", 0))),
                checks=self._checks,
                verdict=cast("Verdict", row["verdict"]),
                reason=row["verdict_reason"] or "",
                sha256=row["sha256"].hex() if row["sha256"] else "",
                templates_tried=bool(details.get("templates_tried")),
            )
        return found

    async def save(self, entries: Sequence[Entry], *, within: float) -> None:
        """All of them or none."""
        rows = [self._row(entry) for entry in entries]
        if rows:
            async with self._database.transaction(within=within) as connection:
                await connection.executemany(_SAVE, rows)

    async def keep_only(self, paths: Sequence[str], *, within: float) -> None:
        """All other files are gone."""
        await self._database.execute(
            "UPDATE models.files SET gone_at = now()"
            " WHERE kind = 'llm' AND gone_at IS NULL AND NOT path = ANY($1::text[])",
            list(paths),
            within=within,
        )

    def _row(self, entry: Entry) -> tuple[Any, ...]:
        model, found = entry.known(), entry.found
        details = {
            "checks": self._checks,
            "modified_ns": found.modified_ns,
            "templates_tried": entry.templates_tried,
            **_details(model),
        }
        return (
            str(found.path),
            found.size,
            datetime.fromtimestamp(min(max(found.modified_ns / 1e9, 0), _LAST_SECOND), UTC),
            bytes.fromhex(model.sha256) or None,
            model.architecture or None,
            model.family or None,
            model.parameters,
            model.quantisation or None,
            model.context,
            min(model.embedding, _MOST_INTEGER) if model.embedding else None,
            model.licence or None,
            model.verdict,
            model.reason or None,
            json.dumps(details),
        )


def _details(model: ModelFile) -> dict[str, Any]:
    return {
        "name": model.name,
        "origin": model.origin,
        "title": model.title,
        "layers": model.layers,
        "kv_bytes_per_token": model.kv_bytes_per_token,
        "chat": model.chat,
        "template": model.template,
    }
