"""What memory has to say about a question: asked early, waited for a moment only, and never needed."""

from __future__ import annotations

import time
from typing import Literal

from pydantic import BaseModel, ConfigDict

from services.messages.conversation import Citation, MemoryReceipt
from services.messages.memory import Hit, Recall, Recollection
from solo.bus import DeadlineExceeded
from solo.errors import SoloError
from solo.supervision import Context

WITHIN_S = 0.25
"""How long an answer may be delayed by remembering, in seconds."""
MOST_CHARS = 1600
"""Of the prompt, for what is remembered: about 400 tokens, a fifth of the smallest model's context."""
_HEAD = 'Answer from these notes. "I" in the question is the user.'
"""Of nine wordings and places tried with the packaged model, the one that used what fits and left alone what does not;
without its second sentence a small model takes the user's name for its own."""


class Recalled(BaseModel):
    """What the model is told of it, and the receipt."""

    model_config = ConfigDict(frozen=True)

    text: str = ""
    """Part of the prompt; empty: nothing."""
    citations: tuple[Citation, ...] = ()
    receipt: MemoryReceipt = MemoryReceipt(state="off")


NOTHING = Recalled()


async def recall(ctx: Context, profile: str, question: str) -> Recalled:
    """Never raises a SoloError: a memory that is away or late is told in the receipt."""
    began = time.monotonic()
    state: Literal["late", "failed", "off"]
    try:
        found = await ctx.request(Recall(profile=profile, question=question), within=WITHIN_S)
    except DeadlineExceeded as error:
        state, code = "late", error.code
    except SoloError as error:
        # A Solo without the memory part is not one that failed.
        state, code = ("off" if error.code == "bus.no_handler" else "failed"), error.code
    else:
        return told(found)
    return Recalled(receipt=MemoryReceipt(state=state, code=code, ms=round((time.monotonic() - began) * 1000, 1)))


def told(found: Recollection) -> Recalled:
    """As many facts and passages as fit, facts first; a passage too long for what is left lets a shorter one in."""
    lines: list[str] = []
    room = MOST_CHARS

    def has_room(line: str) -> bool:
        nonlocal room
        if len(line) > room:
            return False
        room -= len(line)
        lines.append(line)
        return True

    facts = sum(has_room(f"- {fact.text}") for fact in found.facts)
    citations = tuple(
        Citation(number=number, source=hit.source, collection=hit.collection, score=hit.score, text=hit.text)
        for number, hit in enumerate(found.hits, 1)
        if has_room(_passage(number, hit))
    )
    receipt = MemoryReceipt(
        state="used" if lines else "nothing",
        facts=facts,
        passages=len(citations),
        left_out=len(found.facts) + len(found.hits) - len(lines),
        ms=round(found.ms, 1),
    )
    return Recalled(text="\n".join([_HEAD, *lines]) if lines else "", citations=citations, receipt=receipt)


def left_out(recalled: Recalled) -> Recalled:
    """There was no room for it in the model's context."""
    receipt = recalled.receipt
    count = receipt.facts + receipt.passages + receipt.left_out
    return Recalled(receipt=MemoryReceipt(state="left_out", left_out=count, ms=receipt.ms))


def _passage(number: int, hit: Hit) -> str:
    where = hit.source.document + (f", page {hit.source.page}" if hit.source.page else "")
    return f"[{number}] From {where}: {' '.join(hit.text.split())}"
