"""The language model through Solo's door, beside the bare llama.cpp server and llama-cpp-python's own."""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from tests.daemon import daemon
from tests.peers import llama_cpp_python_server, packaged_model, xllamacpp_server

ROUNDS = 9
TOKENS = 64
SLOTS = 4
THREADS = 2
CONTEXT = 2560
"""Of each slot: a prompt of 2 000 tokens and its answer."""
SYSTEM = {"role": "system", "content": "You are Solo, a concise voice assistant."}
LONG_WORDS = 1950
LONG_AFTER_S = 1.5
"""How long a stream has been asked for when the long prompt comes."""
COUNTING = "Go on counting, and do not stop: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19,"
"""A model that counts does not come to an end by itself."""


class Peer(NamedTuple):
    name: str
    url: str
    key: str


class Streamed(NamedTuple):
    """One answer as its asker saw it, seconds since the question."""

    times: list[float]
    text: str
    tokens: int
    took: float

    @property
    def rate(self) -> float:
        """Tokens a second from the first piece to the last."""
        return (self.tokens - 1) / (self.times[-1] - self.times[0])


def _question(number: int) -> str:
    return f"Tell me a long story about the number {number}. Write many sentences."


async def ask(
    client: httpx.AsyncClient, peer: Peer, question: str, tokens: int = TOKENS, lane: str = "chat"
) -> Streamed:
    body = {
        "model": "default",
        "stream": True,
        "temperature": 0,
        "max_tokens": tokens,
        "stream_options": {"include_usage": True},
        "messages": [SYSTEM, {"role": "user", "content": question}],
        # An answer that is remembered would measure nothing.
        "solo": {"cached": False, "lane": lane},
    }
    began = time.perf_counter()
    times: list[float] = []
    said: list[str] = []
    count = 0
    headers = {"Authorization": f"Bearer {peer.key}"}
    async with client.stream("POST", f"{peer.url}/chat/completions", json=body, headers=headers) as response:
        response.raise_for_status()
        async for line in response.aiter_lines():
            if not line.startswith("data: ") or line == "data: [DONE]":
                continue
            chunk = json.loads(line[6:])
            count = (chunk.get("usage") or {}).get("completion_tokens", count)
            if chunk.get("choices") and (text := (chunk["choices"][0].get("delta") or {}).get("content")):
                times.append(time.perf_counter() - began)
                said.append(text)
    return Streamed(times, "".join(said), count or len(times), time.perf_counter() - began)


async def _together(client: httpx.AsyncClient, peer: Peer, round_: int) -> tuple[float, list[float]]:
    """Tokens a second of four streams together, and the first token's times."""
    began = time.perf_counter()
    answers = await asyncio.gather(*(ask(client, peer, _question(100 * round_ + at)) for at in range(SLOTS)))
    took = time.perf_counter() - began
    return sum(answer.tokens for answer in answers) / took, [answer.times[0] for answer in answers]


async def _beside_a_long_prompt(client: httpx.AsyncClient, peer: Peer, round_: int) -> tuple[float, float, float]:
    """A stream's usual wait for its next token, its longest while a long prompt is read beside it, and that prompt's
    first token."""
    # As for a spoken turn: each token at once. Readers are told several together, which would hide what is measured.
    writing = asyncio.create_task(ask(client, peer, COUNTING, 400, lane="voice"))
    await asyncio.sleep(LONG_AFTER_S)
    reading = asyncio.create_task(
        ask(client, peer, f"Number {round_}. " + "rain " * LONG_WORDS + " Now count on: 1, 2, 3, 4,", 16)
    )
    written = await writing
    read = await reading
    gaps = [after - before for before, after in zip(written.times, written.times[1:], strict=False)]
    alone = [gap for gap, at in zip(gaps, written.times[1:], strict=False) if at < LONG_AFTER_S - 0.1]
    beside = [gap for gap, at in zip(gaps, written.times[1:], strict=False) if at > LONG_AFTER_S]
    # A model that has nothing to say to so much rain says it as late.
    return statistics.median(alone), sorted(beside)[int(len(beside) * 0.99)], (read.times or [read.took])[0]


async def _measure(peers: list[Peer]) -> dict[str, Any]:
    single: dict[str, list[float]] = {peer.name: [] for peer in peers}
    first: dict[str, list[float]] = {peer.name: [] for peer in peers}
    total: dict[str, list[float]] = {peer.name: [] for peer in peers}
    waits: dict[str, list[float]] = {peer.name: [] for peer in peers}
    equal = 0
    # A connection each: servers close idle ones whenever they like.
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(timeout=300, limits=limits, trust_env=False) as client:
        for peer in peers:
            await ask(client, peer, _question(0))
        for round_ in range(ROUNDS):
            # In turn, each first as often as last: the machine is not equally quick all the time.
            turn = peers[round_ % len(peers) :] + peers[: round_ % len(peers)]
            for peer in turn:
                single[peer.name].append((await ask(client, peer, _question(round_))).rate)
            for peer in turn:
                # The same question again: all of its prompt is evaluated already.
                again = [(await ask(client, peer, _question(round_), 8)).times[0] for _ in range(3)]
                first[peer.name].append(statistics.median(again))
            for peer in turn:
                rate, firsts = await _together(client, peer, round_ + 1)
                total[peer.name].append(rate)
                waits[peer.name].append(statistics.median(firsts))
        solo = peers[0]
        alone = [(await ask(client, solo, _question(at))).text for at in range(SLOTS)]
        together = await asyncio.gather(*(ask(client, solo, _question(at)) for at in range(SLOTS)))
        equal = sum(one == other.text for one, other in zip(alone, together, strict=True))
        long = {
            peer.name: [await _beside_a_long_prompt(client, peer, round_) for round_ in range(3)] for peer in peers[:2]
        }
    table: dict[str, Any] = {}
    for what, unit, figures in (
        ("one stream, tokens/s", 1, single),
        ("first token, prompt cached, ms", 1000, first),
        ("four streams together, tokens/s", 1, total),
        ("four streams, first token, ms", 1000, waits),
    ):
        ours = figures[peers[0].name]
        # Each round's ratio is of two measurements some seconds apart; their median is what counts.
        table[what] = ", ".join(
            f"{name} {statistics.median(values) * unit:.1f}"
            + ("" if values is ours else f" (ratio {_ratio(ours, values):.2f})")
            for name, values in figures.items()
        )
    for name, rows in long.items():
        usual, longest, reading = (statistics.median(column) for column in zip(*rows, strict=True))
        table[f"{name}: beside a prompt of 2 000 tokens"] = (
            f"a token every {usual * 1000:.1f} ms alone, at worst (p99) {longest * 1000:.1f} ms, "
            f"which is {longest / usual - 1:.1f} steps more; the prompt's first token after {reading:.1f} s"
        )
    table["answers of four streams equal to those of one"] = f"{equal} of {SLOTS}"
    return table


def _ratio(ours: list[float], theirs: list[float]) -> float:
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))


def measure() -> dict[str, Any]:
    model = packaged_model()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        settings = {"LLM__CONTEXT": str(CONTEXT), "LLM__SLOTS": str(SLOTS), "LLM__THREADS": str(THREADS)}
        running = stack.enter_context(daemon(Path(folder) / "state", **settings))
        peers = [
            Peer("Solo", f"http://127.0.0.1:{running.port}/v1", running.key),
            Peer("llama.cpp server", stack.enter_context(xllamacpp_server(model, SLOTS, CONTEXT, THREADS)), "none"),
            Peer(
                "llama-cpp-python server",
                stack.enter_context(llama_cpp_python_server(model, 1, CONTEXT, THREADS)),
                "none",
            ),
        ]
        return asyncio.run(_measure(peers))
