"""The language models on the dashboard: rows, the ledger's line, and answers of another shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from dashboard.client import Client
from dashboard.pool import Pool, ledger_line, model_rows, share

GIB = 1024**3
ANSWER: dict[str, Any] = {
    "status": "ok",
    "models": [
        {"name": "small", "state": "ready", "engine": "llama.cpp", "context": 2048, "busy": 1, "bytes": GIB, "new": 1},
        {"name": "big *one*", "state": "loading", "progress": 0.25, "pinned": True, "error": "it died"},
    ],
    "roles": [
        {"role": "dialog", "model": "small", "answering": "small", "state": "ok"},
        {"role": "logic", "model": "big *one*", "answering": "small", "state": "fallback"},
        {"role": "vision", "model": "", "answering": "", "state": "unbound"},
    ],
    "ledger": {"budget_bytes": 4 * GIB, "reserved_bytes": GIB, "voice_bytes": GIB // 2,
               "entries": [{"name": "stt", "kind": "service", "bytes": GIB // 4}]},
}  # fmt: skip


def asked(tmp_path: Path, response: httpx.Response) -> Pool | None:
    (tmp_path / "owner.key").write_text("the-key\n")
    client = Client({"SOLO_STATE_DIR": str(tmp_path)}, transport=httpx.MockTransport(lambda _: response))
    try:
        return client.fetch_pool()
    finally:
        client.close()


def test_a_row_a_model(tmp_path: Path) -> None:
    pool = asked(tmp_path, httpx.Response(200, json=ANSWER))
    assert pool is not None
    small, big = model_rows(pool)
    assert small["Roles"] == "` dialog `, ` logic ` (fallback)"
    assert (small["Busy"], small["Reserved"]) == ("1", "1.00 GiB")
    assert big["State"].endswith("25%") and "` big *one* `" in big["Model"], "a name is never Markdown"
    assert big["Reserved"].endswith("pinned") and "it died" in big["Last error"]


def test_the_ledger(tmp_path: Path) -> None:
    pool = Pool.model_validate(ANSWER)
    assert share(pool) == 0.25
    assert ledger_line(pool).startswith("1.00 GiB of 4.00 GiB reserved (` stt ` 256 MiB)")
    nothing = {**ANSWER, "ledger": {**ANSWER["ledger"], "budget_bytes": 0}}
    assert share(Pool.model_validate(nothing)) == 0.0


@pytest.mark.parametrize(
    "response", [httpx.Response(503, json={}), httpx.Response(200, json={"models": 3}), httpx.Response(200, text="no")]
)
def test_no_pool_is_nothing_to_draw(tmp_path: Path, response: httpx.Response) -> None:
    assert asked(tmp_path, response) is None
