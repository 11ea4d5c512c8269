"""Documents taken in by the whole daemon, against the bare embedder on the same texts, each alone on the machine."""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from tests.daemon import Daemon, daemon

FAKES = {f"{part}__ENGINE": "fake" for part in ("VAD", "WAKE", "STT", "LLM", "TTS")}
SIZES = {"a page of 300 words": (300, 120), "a paragraph of 120 words": (120, 200), "a note of 20 words": (20, 400)}
"""Words of a document, and how many documents."""
AT_ONCE = 4
"""As `solo memory add` does."""
BARE = """
import sys, time
from services.memory.adapters.minilm import MiniLM
from solo.isolation.call import Call
texts = [line.rstrip("\\n") for line in open(sys.argv[1], encoding="utf-8")]
engine = MiniLM(threads=int(sys.argv[2]))
engine.load()
engine.embed(Call(), texts[:8])
began = time.perf_counter()
for start in range(0, len(texts), 32):
    engine.embed(Call(), texts[start : start + 32])
print(time.perf_counter() - began)
"""
WORDS = [f"{a}{b}" for a in ("har", "mel", "tor", "sil", "bran", "quin", "dol", "fen") for b in
         ("bour", "low", "ric", "ton", "dale", "ven", "mark", "sey", "field", "wick", "stone", "gate")]  # fmt: skip


def measure() -> dict[str, Any]:
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, daemon(Path(folder) / "state", **FAKES) as running:
        for name, (words, count) in SIZES.items():
            rng = random.Random(name)
            documents = [" ".join(rng.choices(WORDS, k=words)).capitalize() + "." for _ in range(count)]
            rates = [_taken_in(running, f"{name} {round_}", documents, round_) for round_ in range(2)]
            passages = _passages(running, f"{name} 0")
            bare = count / _bare(Path(folder), passages)
            solo = max(rates)
            figures[f"{name}: documents per second"] = round(solo, 1)
            figures[f"{name}: the bare embedder on their {len(passages)} passages"] = round(bare, 1)
            figures[f"{name}: ratio"] = round(solo / bare, 2)
    return figures


def _taken_in(running: Daemon, collection: str, documents: list[str], round_: int) -> float:
    """Documents per second; the first one, for which the reader is started, is not counted."""
    with httpx.Client(
        base_url=f"http://127.0.0.1:{running.port}",
        headers={"Authorization": f"Bearer {running.key}", "Accept": "application/json"},
        timeout=120,
        verify=False,
    ) as client:

        def put(number: int, text: str) -> None:
            place = {"collection": collection, "name": f"{number}.txt"}
            answer = client.put("/api/memory/documents", params=place, content=f"{text} {round_}".encode())
            assert answer.json()["verdict"] == "stored", answer.text

        put(-1, "The first one.")
        began = time.perf_counter()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(put, range(len(documents)), documents))
        return len(documents) / (time.perf_counter() - began)


def _passages(running: Daemon, collection: str) -> list[str]:
    """The texts that were embedded, from the database itself."""
    import asyncio

    from solo.storage import Address
    from solo.storage.connect import connect

    async def read() -> list[str]:
        address = Address.read(running.state_dir)
        assert address is not None
        connection = await connect(address)
        rows = await connection.fetch(
            "SELECT c.text FROM rag.chunks c JOIN rag.collections l ON l.id = c.collection_id WHERE l.name = $1 "
            "AND c.text <> 'The first one. 0'",
            collection,
        )
        await connection.close()
        return [" ".join(row["text"].split()) for row in rows]

    return asyncio.run(read())


def _bare(folder: Path, texts: list[str]) -> float:
    file = folder / "texts"
    file.write_text("\n".join(texts), encoding="utf-8")
    line = [sys.executable, "-c", BARE, str(file), "2"]
    return float(subprocess.run(line, capture_output=True, text=True, check=True, timeout=600).stdout)
