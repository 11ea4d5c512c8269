"""Nothing acknowledged is lost: daemon and database server are killed at random moments while others write.

What was acknowledged is recorded here, outside the daemon, and compared with the tables at the end.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import statistics
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest

from solo.storage import Address
from solo.storage.connect import connect
from tests.daemon import Daemon, daemon, wait_for
from tests.faults.conftest import ROUNDS

KILLS_OF_DAEMON = 3 if ROUNDS == 1 else 20 * ROUNDS
KILLS_OF_SERVER = 3 if ROUNDS == 1 else 5 * ROUNDS
SEED = int(os.environ.get("TEST_SEED", "20261121"))
FAKES = {f"{part}__ENGINE": "fake" for part in ("VAD", "WAKE", "STT", "LLM", "TTS")}
WRITERS = 3
READY_WITHIN_S = 90.0  # on a busy machine; the figure is reported

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]


@dataclass
class Ledger:
    """What writers were told, whatever became of the daemon afterwards."""

    state_dir: Path
    turns: set[str] = field(default_factory=set)
    facts: dict[str, str] = field(default_factory=dict)
    documents: dict[str, str] = field(default_factory=dict)
    refused: int = 0
    """Requests that got no answer, or one that says it was not done: these may be there or not."""
    wrong: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def write(self, seed: int) -> None:
        rng = random.Random(seed)
        while not self.over.is_set():
            try:
                self._write_one(rng)
            except (httpx.TransportError, OSError, ValueError, KeyError):
                self.refused += 1
                time.sleep(0.02)

    def _write_one(self, rng: random.Random) -> None:
        port = json.loads((self.state_dir / "daemon.json").read_text())["port"]
        key = (self.state_dir / "owner.key").read_text().strip()
        headers = {"Authorization": f"Bearer {key}"}
        words = " ".join(f"{rng.getrandbits(40):x}" for _ in range(6))
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=10, verify=False) as client:
            match rng.randrange(3):
                case 0:
                    answer = client.post("/api/ask", json={"text": f"What is {words}?", "talk": f"t{rng.randrange(5)}"})
                    if self._taken(answer) and answer.json()["stored"]:
                        self.turns.add(answer.json()["turn_id"])
                case 1:
                    fact_id = str(uuid.UUID(int=rng.getrandbits(128), version=4))
                    answer = client.post("/api/memory/facts", json={"text": words, "id": fact_id})
                    if self._taken(answer):
                        self.facts[answer.json()["id"]] = words
                case _:
                    name = f"{rng.getrandbits(40):x}.txt"
                    answer = client.put(
                        "/api/memory/documents",
                        params={"collection": "load", "name": name},
                        content=words.encode(),
                        headers={"Accept": "application/json"},
                    )
                    if self._taken(answer) and answer.json()["verdict"] in {"stored", "known"}:
                        self.documents[name] = words

    def _taken(self, answer: httpx.Response) -> bool:
        if answer.status_code >= 500 and answer.status_code not in {503, 504}:
            self.wrong.append(f"{answer.request.url.path}: {answer.status_code} {answer.text[:300]}")
        if answer.status_code >= 400:
            self.refused += 1
            return False
        return True

    @property
    def acknowledged(self) -> int:
        return len(self.turns) + len(self.facts) + len(self.documents)


@contextmanager
def writers(ledger: Ledger) -> Iterator[None]:
    threads = [threading.Thread(target=ledger.write, args=(SEED + number,)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ledger.over.set()
        for thread in threads:
            thread.join(30)


def check(running: Daemon, ledger: Ledger) -> None:
    """Everything acknowledged is there, once."""
    address = Address.read(running.state_dir)
    assert address is not None

    async def look() -> None:
        connection = await connect(address)
        try:
            messages = await connection.fetch("SELECT turn_id, role FROM chats.messages")
            facts = await connection.fetch("SELECT id::text AS id, text FROM rag.facts")
            documents = await connection.fetch(
                "SELECT d.name, (SELECT count(*) FROM rag.chunks c WHERE c.document_id = d.id) AS chunks "
                "FROM rag.documents d JOIN rag.collections k ON k.id = d.collection_id WHERE k.name = 'load'"
            )
        finally:
            await connection.close()
        pairs = [(row["turn_id"], row["role"]) for row in messages]
        assert len(pairs) == len(set(pairs)), "duplicates"
        whole = {turn for turn, role in pairs if role == "user"} & {turn for turn, role in pairs if role == "assistant"}
        assert {turn for turn, _ in pairs} == whole, "half an exchange"
        assert ledger.turns <= whole, f"{len(ledger.turns - whole)} acknowledged exchanges are lost"
        texts = [row["text"] for row in facts]
        assert len(texts) == len(set(texts)), "duplicate facts"
        lost = {words for words in ledger.facts.values() if words not in set(texts)}
        assert not lost, f"{len(lost)} acknowledged facts are lost"
        names = [row["name"] for row in documents]
        assert len(names) == len(set(names)), "duplicate documents"
        assert set(ledger.documents) <= set(names), "acknowledged documents are lost"
        assert all(row["chunks"] == 1 for row in documents), "a document without its passage"

    asyncio.run(look())


def report(name: str, ledger: Ledger, ready_s: list[float]) -> None:
    print(
        f"\n{name}: {len(ready_s)} kills, {ledger.acknowledged} acknowledged ({len(ledger.turns)} exchanges, "
        f"{len(ledger.facts)} facts, {len(ledger.documents)} documents), {ledger.refused} not; lost 0, duplicates 0; "
        f"ready again {statistics.median(ready_s):.2f} s (worst {max(ready_s):.2f} s); seed {SEED}",
        flush=True,
    )


def test_killed_daemon(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    ledger = Ledger(tmp_path)
    ready_s: list[float] = []
    with writers(ledger):
        for _ in range(KILLS_OF_DAEMON):
            began = time.monotonic()
            with daemon(tmp_path, ready=False, **FAKES, MEMORY__EMBEDDER="fake") as running:
                acknowledged = ledger.acknowledged
                wait_for(
                    lambda before=acknowledged: ledger.acknowledged > before, READY_WITHIN_S, "a write", running._why
                )
                ready_s.append(time.monotonic() - began)
                time.sleep(rng.uniform(0, 1.5))  # the random moment
                family = psutil.Process(running.pid).children(recursive=True)
                running.process.send_signal(signal.SIGKILL)
                running.process.wait(10)
                _, alive = psutil.wait_procs(family, timeout=10)
                assert not alive, f"orphans: {alive}"
    with daemon(tmp_path, **FAKES, MEMORY__EMBEDDER="fake") as running:
        check(running, ledger)
    assert not ledger.wrong, ledger.wrong[:5]
    report("daemon", ledger, ready_s)


def test_killed_server(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    ledger = Ledger(tmp_path)
    ready_s: list[float] = []
    with daemon(tmp_path, **FAKES, MEMORY__EMBEDDER="fake") as running:
        pid = running.pid
        with writers(ledger):
            for _ in range(KILLS_OF_SERVER):
                acknowledged = ledger.acknowledged
                wait_for(
                    lambda before=acknowledged: ledger.acknowledged > before, READY_WITHIN_S, "a write", running._why
                )
                time.sleep(rng.uniform(0, 1.0))  # the random moment
                os.kill(running.engine_pid("database"), signal.SIGKILL)
                began = time.monotonic()
                time.sleep(0.05)  # what was under way may still have been answered
                acknowledged = ledger.acknowledged
                wait_for(
                    lambda before=acknowledged: ledger.acknowledged > before, READY_WITHIN_S, "a write", running._why
                )
                ready_s.append(time.monotonic() - began)
                wait_for(lambda: running.service("database")["state"] == "ready", READY_WITHIN_S, "the database")
        assert running.pid == pid
        check(running, ledger)
    assert not ledger.wrong, ledger.wrong[:5]
    report("database server", ledger, ready_s)
