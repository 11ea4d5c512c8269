"""Draws the parts of the page; the daemon's text goes through `st.text` or `literal`, never as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from statistics import median

import streamlit as st

from dashboard.history import HOURS, Series, bars, error_rows, lines, speed_rows, voice_rows
from dashboard.history import memory_rows as past_memory_rows
from dashboard.look import outcome_colour
from dashboard.pool import Pool, ledger_line, model_rows, share
from dashboard.stages import chart_rows, count_drawn, result, spec, speeds, voices
from dashboard.status import Status, Turn
from dashboard.tables import drops, loop_note, mailbox_rows, memory_rows, memory_spec, service_rows
from dashboard.units import ago, clip, clock, count, literal, milliseconds, rate, size, span

_BAR = 27
_AROUND_BARS = 110
"""Pixels of a chart beside its bars: legend, axis and title."""
_COURSE = 240
"""Pixels of each chart of the last day."""
_LONGEST_TEXT = 900


def metrics(status: Status) -> None:
    """The numbers to look at first, the two that make the product with their recent course."""
    speed, voice = speeds(status.turns), voices(status.turns)
    # The style sheet makes this container a grid, in which the first two fill two rows.
    with st.container(key="metrics"):
        note = f"median of {len(voice)}" if voice else "no spoken turn yet"
        _metric("Voice to voice", milliseconds(median(voice) if voice else None), note, voice)
        note = f"last {len(speed)} turns" if len(speed) > 1 else "last turn" if speed else "no turn yet"
        _metric("Tokens per second", rate(status.tokens_per_s), note, speed)
        _metric("Memory", size(status.memory.total_rss_bytes), f"daemon {size(status.memory.daemon_rss_bytes)}")
        _metric("Loop lag", milliseconds(status.loop.lag_ms), loop_note(status))
        _metric("Dropped on the bus", count(status.bus.dropped), drops(status.bus))
        _metric("Uptime", span(status.uptime_s), f"pid {status.pid}" if status.pid is not None else "")


def reasons(status: Status) -> None:
    """Why the daemon is not fully ready."""
    if status.reasons:
        with st.container(key="reasons"):
            st.warning("  \n".join(literal(reason) for reason in status.reasons), icon=":material/warning:")


def waterfall(status: Status, now: datetime) -> None:
    """Where the time of the last turns went."""
    st.subheader("Where the time goes", anchor=False)
    rows = chart_rows(status.turns, now)
    if not rows:
        st.info(
            "No turn to draw yet: say the wake word and ask something, or type `solo ask`.", icon=":material/timeline:"
        )
        return
    st.caption(
        "Counted from the last sound of speech, or from the request for typed text. Newest on top. "
        "The mark and the number after it: **voice to voice**, the silence a person waits through."
    )
    st.vega_lite_chart(rows, spec(count_drawn(rows) * _BAR + _AROUND_BARS), width="stretch")


def memory(status: Status) -> None:
    """Resident memory of the daemon and of every engine child."""
    st.subheader("Memory", anchor=False)
    rows = memory_rows(status)
    if not rows:
        st.info("No process has been measured yet.", icon=":material/memory:")
        return
    st.caption(f"{size(status.memory.total_rss_bytes)} together. Each engine is a process of its own.")
    st.vega_lite_chart(rows, memory_spec((len(rows) - 1) * _BAR + _AROUND_BARS), width="stretch")


def course(history: Sequence[Series]) -> None:
    """How the numbers that make the product went over the last day; drawn only as far as there is something."""
    parts = (
        ("Voice to voice", voice_rows(history), lines(_COURSE, " ms")),
        ("Tokens per second", speed_rows(history), lines(_COURSE, "")),
        ("Memory of the engines", past_memory_rows(history), lines(_COURSE, " MiB")),
        ("Errors", error_rows(history), bars(_COURSE)),
    )
    drawn = [part for part in parts if part[1]]
    if not drawn:
        return
    st.subheader(f"The last {HOURS} hours", anchor=False)
    for first in range(0, len(drawn), 2):
        for column, (title, rows, drawing) in zip(st.columns(2, gap="medium"), drawn[first : first + 2], strict=False):
            with column:
                st.caption(f"{title}, by the hour")
                st.vega_lite_chart(rows, drawing, width="stretch")


def services(status: Status, now: datetime) -> None:
    """Every supervised part with its state."""
    st.subheader("Services", anchor=False)
    if not status.services:
        st.info("The daemon has not started a service yet.", icon=":material/hourglass_empty:")
        return
    with st.container(key="services"):
        st.table(service_rows(status.services, now), border="horizontal", hide_index=True, alt="Services")


def models(pool: Pool) -> None:
    """The language models, which roles they play, and the memory that they share."""
    st.subheader("Language models", anchor=False)
    with st.container(key="models"):
        st.table(model_rows(pool), border="horizontal", hide_index=True, alt="Language models")
        st.progress(share(pool), ledger_line(pool))


def bus(status: Status) -> None:
    """Every mailbox on the bus, folded away: of interest when messages are dropped."""
    boxes = mailbox_rows(status.bus)
    if not boxes:
        return
    label = f"Message bus: {count(status.bus.published)} published"
    if status.bus.delivered is not None:
        label += f", {count(status.bus.delivered)} delivered"
    with st.expander(label, key="bus"):
        st.table(boxes, border="horizontal", hide_index=True, alt="Mailboxes")


def dialogues(turns: Sequence[Turn], now: datetime) -> None:
    """What was heard and said, newest first."""
    st.subheader("Recent dialogues", anchor=False)
    if not turns:
        st.info(
            "Nothing has been said yet. Say the wake word and a question, or type one in a terminal: "
            '`solo ask "What time is it?"`. It appears here by itself.',
            icon=":material/forum:",
        )
        return
    for place, turn in enumerate(turns):
        with st.container(border=True, key=f"turn-{place}", gap="xsmall"):
            _dialogue(turn, now)


def _dialogue(turn: Turn, now: datetime) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        outcome = turn.outcome.replace("_", " ")
        known = outcome.replace(" ", "").isalpha()
        st.badge(outcome if known else "unknown", color=outcome_colour(turn.outcome))
        facts = [f"{clock(turn.at, now)}, {ago(turn.at, now)}"]
        if turn.source:
            facts.append(literal(turn.source))
        if turn.outcome == "answered":
            facts.append(f"**{result(turn)}**")
        if turn.tokens is not None and turn.tokens.per_second is not None:
            facts.append(f"{count(turn.tokens.completion)} tokens at {rate(turn.tokens.per_second)}/s")
        st.caption(" · ".join(facts))
    heard, said = st.columns([2, 3], gap="small")
    with heard, st.container(gap=None):
        st.caption("Heard" if turn.source != "text" else "Asked")
        st.text(_passage(turn.heard) or "(nothing)")
    with said, st.container(gap=None):
        if turn.error is not None:
            st.caption("Error")
            st.text(f"{_passage(turn.error.message)} [{clip(turn.error.code, 60)}]")
        if turn.said or turn.error is None:
            st.caption("Said")
            st.text(_passage(turn.said) or "(nothing)")


def _passage(text: str | None) -> str:
    whole = (text or "").strip()
    if len(whole) <= _LONGEST_TEXT:
        return whole
    return f"{whole[:_LONGEST_TEXT].rstrip()}… ({count(len(whole) - _LONGEST_TEXT)} characters more)"


def _metric(label: str, value: str, note: str, trend: Sequence[float] = ()) -> None:
    # Monochrome and without an arrow: the line under the number is a note here, not a change.
    st.metric(
        label,
        value,
        note or None,
        delta_color="off",
        delta_arrow="off",
        border=True,
        chart_data=list(trend) if len(trend) > 1 else None,
        chart_type="area",
        height="stretch",
    )
