"""The memory with a reranker: from a model's path in the settings to the order of what is found."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from services.memory.adapters import packaged
from services.messages.memory import DescribeMemory, Search
from solo.bus import Bus
from solo.supervision import Context, State
from tests.contract.tiny_reranker import tiny_reranker
from tests.stubs.memory import ingest, memory_database, remembering

ALIKE = "The blue key is the blue key."
ANSWER = "The blue key is kept where nobody looks for anything at all, under the oldest of seven flower pots."
ASKED = Search(query="Where is the blue key kept?", top=1)


@pytest.mark.parametrize("model", ["none", "whole", "missing"])
async def test_what_is_found_is_put_in_order(bus: Bus, ctx: Context, tmp_path: Path, model: str) -> None:
    chosen: dict[str, Any] = {}
    if model != "none":
        file = tiny_reranker(tmp_path) if model == "whole" else tmp_path / "nowhere.onnx"
        chosen = {"reranker_model": file, "reranker_tokenizer": packaged.tokenizer()}
    async with memory_database(tmp_path) as opened, remembering(opened, bus, tmp_path, **chosen) as house:
        async with asyncio.timeout(20):  # documents are taken in from then on
            while not (await ctx.request(DescribeMemory(), within=20)).indexes:
                await asyncio.sleep(0.05)
        for name, text in (("alike.txt", ALIKE), ("answer.txt", ANSWER)):
            assert (await ingest(ctx, name, text))[0].verdict == "stored"
        if model == "whole":
            await house.reaches("reranker", State.READY)
        (found,) = await ctx.request(ASKED, within=20)
        assert found.text == (ANSWER if model == "whole" else ALIKE)
        by_likeness = await ctx.request(ASKED.model_copy(update={"top": 2}), within=20)
        assert {hit.text: hit.score for hit in by_likeness}[ALIKE] == max(hit.score for hit in by_likeness)
