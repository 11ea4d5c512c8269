"""Notices what nobody should do: guessing, keys at odd hours, bulk reads, bursts of costly work."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from services.messages.audit import AuditEntry
from services.messages.security import OWNER_PRINCIPAL
from services.security.image import KeyRow, Use

STUFFING_WITHIN_S = 600.0
"""Failed log-ins are counted over this long."""
STUFFING_FAILURES = 10
"""From one address: a person who has forgotten a password gives up, or succeeds, before that."""
STUFFING_ACCOUNTS = 4
"""Names tried from one address: a household of three may all mistype."""
STUFFING_ON_ACCOUNT = 15
"""On one name, from wherever: delays let at most this many through in a minute."""
ODD_HOUR_AFTER_S = 14 * 86400.0
"""A key has habits after two weeks of use: each hour of the week has come twice by then."""
ODD_HOUR_NEAR = 1
"""An hour beside one it was used in is not odd: people are late, clocks change, programs drift."""
ODD_HOUR_MOST = 84
"""A key that was used in half of the week's hours has no hours; none is odd for it."""
EXPORT_WITHIN_S = 600.0
"""Reads are counted over this long."""
EXPORT_READS = 120
"""Of chats, memory and the audit log by one caller: nobody reads a page every five seconds for ten minutes."""
EXPORT_ROUTES = ("/api/chats", "/api/memory", "/api/audit", "/api/history", "/api/turns")
"""Whose answers are what people have said, and what was done."""
BURST_WITHIN_S = 60.0
"""Costly calls are counted over this long."""
BURST_CALLS = 90
"""By one caller: an answer every two thirds of a second for a minute is no conversation."""
BURST_ROUTES = ("/v1/", "/api/ask", "/api/models")
"""What keeps engines and disks busy."""
AGAIN_S = 3600.0
"""The same of the same subject is said once in this time."""
MOST_SUBJECTS = 10_000
"""Subjects watched at a time; the one quiet for longest is forgotten."""
MOST_EVENTS = 500
"""Of one subject; more than any threshold."""
WATCHED = "seen"
"""An entry of this action is looked at and not written: calls that are of no interest one by one."""


@dataclass(frozen=True, slots=True)
class Anomaly:
    pattern: str
    subject: str
    detail: str


@dataclass(slots=True)
class _Window:
    """What one subject did lately: (time, what, how often)."""

    events: deque[tuple[float, str, int]] = field(default_factory=deque)
    count: int = 0

    def add(self, at: float, what: str, count: int, within: float) -> None:
        self.events.append((at, what, count))
        self.count += count
        while self.events and (self.events[0][0] <= at - within or len(self.events) > MOST_EVENTS):
            self.count -= self.events.popleft()[2]

    def kinds(self) -> int:
        return len({what for _, what, _ in self.events})


class Monitor:
    """Fed with what is written into the audit log, and with every use of a key."""

    def __init__(self) -> None:
        self._windows: OrderedDict[tuple[str, str], _Window] = OrderedDict()
        self._said: OrderedDict[tuple[str, str], float] = OrderedDict()

    def see(self, entry: AuditEntry, now: float) -> list[Anomaly]:
        """`now` in seconds since 1970."""
        caller = entry.principal
        if caller in {"", OWNER_PRINCIPAL.id} or entry.outcome != "ok":
            return []  # the owner's key is what the dashboard and the commands look at everything with
        who = f"{entry.actor} ({caller})" if entry.actor else caller
        found = []
        if entry.method == "GET" and entry.route.startswith(EXPORT_ROUTES):
            reads = self._count("export", caller, entry.route, entry.count, now, EXPORT_WITHIN_S)
            if reads.count > EXPORT_READS:
                text = f"{reads.count} reads within {EXPORT_WITHIN_S / 60:g} min, more than {EXPORT_READS}"
                found.append(Anomaly("export", who, text))
        if entry.method in {"POST", "WS"} and entry.route.startswith(BURST_ROUTES):
            calls = self._count("burst", caller, entry.route, entry.count, now, BURST_WITHIN_S)
            if calls.count > BURST_CALLS:
                text = f"{calls.count} costly calls within {BURST_WITHIN_S:g} s, more than {BURST_CALLS}"
                found.append(Anomaly("burst", who, text))
        return self._new(found, now)

    def used(self, key: KeyRow, now: float) -> list[Anomaly]:
        """A key is being used, not written down in its `use` yet."""
        hour = hour_of_week(now)
        if not _is_odd(key.use, hour, now):
            return []
        day = datetime.fromtimestamp(now, UTC)
        days = (now - (key.use.first_at or now)) / 86400
        text = f"used on {day:%A} at {day:%H} h UTC, for the first time in {days:.0f} days"
        return self._new([Anomaly("odd_hour", f"{key.name} ({key.id})", text)], now)

    def failed(self, login: str, user: str, address: str, now: float) -> list[Anomaly]:
        """A log-in failed. `login`: what was typed, which may have been a password and is not said; `user`: name of
        the user whose account it was, empty: nobody's."""
        return self._new(self._stuffing(login, user, address, now), now)

    def _stuffing(self, login: str, user: str, address: str, now: float) -> Iterable[Anomaly]:
        within = f"within {STUFFING_WITHIN_S / 60:g} min"
        here = self._count("address", address, login, 1, now, STUFFING_WITHIN_S)
        names = here.kinds()
        if here.count >= STUFFING_FAILURES:
            yield Anomaly("stuffing", address, f"{here.count} failed log-ins {within}, {STUFFING_FAILURES} are many")
        elif names >= STUFFING_ACCOUNTS:
            yield Anomaly("stuffing", address, f"{names} names failed {within}, {STUFFING_ACCOUNTS} are many")
        on = self._count("account", login, "", 1, now, STUFFING_WITHIN_S)
        if user and on.count >= STUFFING_ON_ACCOUNT:
            yield Anomaly("stuffing", user, f"{on.count} failed log-ins {within}, {STUFFING_ON_ACCOUNT} are many")

    def _count(self, kind: str, subject: str, what: str, count: int, now: float, within: float) -> _Window:
        window = self._windows.setdefault((kind, subject), _Window())
        window.add(now, what, count, within)
        self._windows.move_to_end((kind, subject))
        if len(self._windows) > MOST_SUBJECTS:
            self._windows.popitem(last=False)
        return window

    def _new(self, found: Iterable[Anomaly], now: float) -> list[Anomaly]:
        """Those not said within the hour."""
        new = []
        for anomaly in found:
            about = (anomaly.pattern, anomaly.subject)
            if now - self._said.get(about, -AGAIN_S) < AGAIN_S:
                continue
            self._said[about] = now
            self._said.move_to_end(about)
            if len(self._said) > MOST_SUBJECTS:
                self._said.popitem(last=False)
            new.append(anomaly)
        return new


def hour_of_week(now: float) -> int:
    """0: Monday, midnight to one, UTC."""
    at = datetime.fromtimestamp(now, UTC)
    return at.weekday() * 24 + at.hour


def _is_odd(use: Use, hour: int, now: float) -> bool:
    if use.first_at is None or now - use.first_at < ODD_HOUR_AFTER_S or use.hours.bit_count() >= ODD_HOUR_MOST:
        return False
    near = range(hour - ODD_HOUR_NEAR, hour + ODD_HOUR_NEAR + 1)
    return not any(use.hours >> (other % 168) & 1 for other in near)
