"""Recomputes the chain of the audit log, a page at a time."""

from __future__ import annotations

import asyncio
from typing import Any

from services.messages.audit import AuditVerdict
from services.security.audit.chain import EMPTY, Head, seal
from services.security.audit.store import AuditStore, entry_of

PAGE = 1000


async def verify(store: AuditStore, *, page: int = PAGE) -> AuditVerdict:
    """Any row that was changed, removed, put in or moved is found, and an end that was cut off."""
    anchor = await store.anchor()
    at, rows = EMPTY, 0
    while found := await store.page(at.seq, page):
        good, reason = await asyncio.to_thread(_follow, at, found, anchor)
        rows += len(good)
        if reason:
            at_fault = found[len(good)]["seq"]
            return AuditVerdict(whole=False, rows=rows, broken_at=at_fault, reason=reason)
        at = good[-1]
    return await _end(store, at, rows, anchor)


async def _end(store: AuditStore, at: Head, rows: int, anchor: Head | None) -> AuditVerdict:
    head, newest = await store.ends()
    if newest > at.seq:  # written while the last page was looked at
        more = await store.page(at.seq, PAGE)
        good, reason = await asyncio.to_thread(_follow, at, more, anchor)
        rows += len(good)
        if reason:
            return AuditVerdict(whole=False, rows=rows, broken_at=more[len(good)]["seq"], reason=reason)
        at = good[-1]
        head, newest = await store.ends()
    if head is None:
        reason = "nothing says where the log ends"
    elif head.seq > newest:
        reason = f"the log ends at {newest}, and {head.seq} rows were written"
    elif newest > head.seq:
        reason = f"rows behind {head.seq} were not written by Solo"
    elif head.seq == at.seq and head.hash != at.hash:
        reason = "the last row is not the one that was written last"
    elif anchor is not None and anchor.seq > at.seq:
        reason = f"the log ends at {newest}, and {anchor.seq} rows were written"
    elif anchor is not None and anchor.seq < 0:
        reason = "the file that says where the log ends cannot be read"
    else:
        return AuditVerdict(whole=True, rows=rows)
    return AuditVerdict(whole=False, rows=rows, broken_at=at.seq + 1, reason=reason)


def _follow(at: Head, rows: list[Any], anchor: Head | None) -> tuple[list[Head], str]:
    """(the rows that are as they were written, what is wrong with the one behind them)."""
    good: list[Head] = []
    for row in rows:
        if row["seq"] != at.seq + 1:
            return good, f"row {at.seq + 1} is missing"
        sealed = seal(at.hash, row["seq"], row["at"], entry_of(row))
        if sealed != row["hash"]:
            return good, "the row, or the one before it, is not as it was written"
        at = Head(row["seq"], sealed)
        if anchor is not None and anchor.seq == at.seq and anchor.hash != at.hash:
            return good, "the log was written anew"
        good.append(at)
    return good, ""
