"""The page: asks every two seconds, draws the answer, and keeps the last one in sight while there is none."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import streamlit as st

from dashboard import views
from dashboard.client import Client, Down
from dashboard.history import Series
from dashboard.look import CSS, ICON, state_colour
from dashboard.pool import Pool
from dashboard.status import Status
from dashboard.units import ago, clock, literal

REFRESH_S = 2
HISTORY_EVERY = timedelta(seconds=30)
"""Its newest point is an hour wide, so it need not be asked for as often as the status."""
_BADGES = {
    "unreachable": "daemon down",
    "slow": "not answering",
    "no_key": "no key",
    "key_refused": "key refused",
    "misfit": "not understood",
}


@dataclass
class LastSeen:
    """What the daemon said last, shared by all browser windows and kept over a reload of the page."""

    status: Status | None = None
    at: datetime | None = None
    pool: Pool | None = None
    history: tuple[Series, ...] | None = None
    history_at: datetime | None = None
    """When it was asked for, with or without an answer."""


@st.cache_resource(show_spinner=False)
def _client() -> Client:
    return Client()


@st.cache_resource(show_spinner=False)
def _last_seen() -> LastSeen:
    return LastSeen()


def draw() -> None:
    """Draws the page once and starts its refresh."""
    st.set_page_config("Solo", ICON, layout="wide")
    st.html(CSS)
    _refresh()


@st.fragment(run_every=REFRESH_S)
def _refresh() -> None:
    now = datetime.now().astimezone()
    found = _client().fetch()
    seen = _last_seen()
    if isinstance(found, Status):
        seen.status, seen.at = found, now
        seen.pool = _client().fetch_pool()
        _ask_history(seen, now)
    _header(found, seen, now)
    if isinstance(found, Down):
        _problem(found, seen, now)
    if seen.status is not None:
        with st.container(key="board" if isinstance(found, Status) else "board-stale"):
            _board(seen, seen.status, now)


def _ask_history(seen: LastSeen, now: datetime) -> None:
    if seen.history_at is None or now - seen.history_at >= HISTORY_EVERY:
        seen.history_at = now  # before the answer, so that other windows do not ask too
        seen.history = _client().fetch_history()


def _header(found: Status | Down, seen: LastSeen, now: datetime) -> None:
    state = _BADGES[found.kind] if isinstance(found, Down) else found.state
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="header"):
        st.title("Solo", anchor=False, width="content")
        known = state.replace(" ", "").isalpha()
        st.badge(state if known else "unknown", color=state_colour(state))
        if seen.status is not None and seen.at is not None:
            fresh = "updated" if isinstance(found, Status) else "last seen"
            st.caption(f"version {literal(seen.status.version)} · {fresh} {clock(seen.at, now)}", width="content")


def _problem(down: Down, seen: LastSeen, now: datetime) -> None:
    last = f" Last seen at {clock(seen.at, now)}, {ago(seen.at, now)}." if seen.at is not None else ""
    lead = "The daemon is down. " if down.kind == "unreachable" else ""
    with st.container(key="problem"):
        st.error(f"{lead}{literal(down.reason)}{last}  \n{literal(down.advice)}", icon=":material/power_off:")
        if down.kind == "unreachable":
            st.code("solo run", language=None, width=260)
        more = " What follows is what it said last." if seen.status is not None else ""
        st.caption(f"This page asks again every {REFRESH_S} s and recovers by itself.{more}")


def _board(seen: LastSeen, status: Status, now: datetime) -> None:
    views.reasons(status)
    views.metrics(status)
    left, right = st.columns([5, 3], gap="medium")
    with left, st.container(key="waterfall"):
        views.waterfall(status, now)
    with right, st.container(key="memory"):
        views.memory(status)
    if seen.history:
        with st.container(key="history"):
            views.course(seen.history)
    views.services(status, now)
    if seen.pool is not None:
        views.models(seen.pool)
    views.bus(status)
    views.dialogues(status.turns, now)
