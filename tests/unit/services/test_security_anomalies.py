"""The monitor against simulated weeks: what it notices of attacks, and how often it is wrong about people."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from services.messages.audit import AuditEntry
from services.security import anomalies
from services.security.anomalies import Anomaly, Monitor, hour_of_week
from services.security.image import KeyRow, Use

MONDAY = 1_767_571_200.0
"""2026-01-05, midnight UTC."""
DAY = 86400.0
WEEK = 7 * DAY
USERS, WEEKS = 40, 8
SEED = 20260105


def key(name: str) -> KeyRow:
    return KeyRow(name, name, "solo_x", bytes(32), "user", (), "", "p", MONDAY, None, False, Use())


def call(who: str, method: str, route: str, count: int = 1) -> AuditEntry:
    return AuditEntry(action=anomalies.WATCHED, principal=who, method=method, route=route, count=count)


@dataclass
class Life:
    """A person with a key and habits: evenings, at weekends the day as well, sometimes late, a bad typist."""

    monitor: Monitor
    name: str
    dice: random.Random
    seen: list[Anomaly] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.key = key(self.name)
        self.evening = self.dice.choice((17, 18, 19, 20))
        self.address = f"192.0.2.{self.name[4:]}"  # of their own: their weeks are played one after the other

    def use(self, now: float) -> None:
        self.seen += self.monitor.used(self.key, now)
        self.key.use.first_at = self.key.use.first_at or now
        self.key.use.hours |= 1 << hour_of_week(now)

    def times(self, week: int) -> Iterator[float]:
        for day in range(7):
            hours = {self.evening, self.evening + 1, 7}
            hours |= {10, 11, 14, 15} if day >= 5 else set()
            if self.dice.random() < 0.1:  # late
                hours.add(self.evening + 2)
            for hour in sorted(hours):
                if self.dice.random() < 0.85:
                    yield MONDAY + week * WEEK + day * DAY + hour * 3600 + self.dice.uniform(0, 3599)

    def week(self, number: int) -> None:
        for at in self.times(number):
            self.use(at)
            for _ in range(self.dice.randrange(1, 40)):  # a talk: a call every ten seconds, chats looked at
                at += self.dice.uniform(4, 30)
                self.seen += self.monitor.see(call(self.name, "POST", "/v1/chat/completions"), at)
                if self.dice.random() < 0.4:
                    self.seen += self.monitor.see(call(self.name, "GET", "/api/chats/{talk}"), at)
            if self.dice.random() < 0.05:
                for _ in range(self.dice.randrange(1, 5)):
                    at += self.dice.uniform(3, 40)
                    self.seen += self.monitor.failed(self.name, self.name, self.address, at)


def simulate() -> tuple[Monitor, list[Life]]:
    monitor = Monitor()
    dice = random.Random(SEED)
    people = [Life(monitor, f"user{number}", random.Random(dice.random())) for number in range(USERS)]
    for week in range(WEEKS):
        for person in people:
            person.week(week)
    return monitor, people


def attack(kind: str, monitor: Monitor, victim: Life, dice: random.Random, at: float) -> list[Anomaly]:
    seen: list[Anomaly] = []
    if kind == "stuffing":  # as fast as the delays let it: a name each six seconds
        for number in range(30):
            address = f"203.0.113.{victim.name[4:]}"
            seen += monitor.failed(f"name{number}", "", address, at + 6 * number)
    elif kind == "stuffing, many addresses":
        for number in range(60):
            address = f"2001:db8:{dice.randrange(65536):x}::/64"
            seen += monitor.failed(victim.name, victim.name, address, at + 7 * number)
    elif kind == "odd_hour":  # a stolen key, used in the night of its owner
        seen += monitor.used(victim.key, at + dice.choice((1, 2, 3, 4)) * 3600)
    elif kind == "export":
        for number in range(300):
            seen += monitor.see(call(victim.name, "GET", "/api/chats/{talk}"), at + number * dice.uniform(0.1, 2))
    elif kind == "burst":
        for number in range(200):
            seen += monitor.see(call(victim.name, "POST", "/v1/chat/completions"), at + number * 0.2)
    return seen


KINDS = ("stuffing", "stuffing, many addresses", "odd_hour", "export", "burst")


def test_detection_and_false_alarms() -> None:
    monitor, people = simulate()
    weeks = USERS * WEEKS
    alarms = [one for person in people for one in person.seen]
    by_kind = {kind: sum(one.pattern == kind for one in alarms) for kind in ("stuffing", "odd_hour", "export", "burst")}
    print(
        f"{weeks} user-weeks without an attack: {len(alarms)} false alarms ({len(alarms) / weeks:.3f} a week) {by_kind}"
    )
    dice = random.Random(SEED + 1)
    for kind in KINDS:
        found = 0
        for number, victim in enumerate(people):
            at = MONDAY + WEEKS * WEEK + number * 2 * DAY
            found += any(one.pattern == kind.partition(",")[0] for one in attack(kind, monitor, victim, dice, at))
        print(f"{kind}: {found} of {USERS} seeded attacks noticed")
        assert found >= 0.95 * USERS, kind
    assert len(alarms) / weeks <= 0.2
    assert by_kind["stuffing"] == by_kind["export"] == by_kind["burst"] == 0


def test_the_same_is_said_once_an_hour() -> None:
    monitor = Monitor()
    said = [one for at in range(0, 7200, 1) for one in monitor.see(call("k", "POST", "/v1/embeddings", 5), MONDAY + at)]
    assert [one.pattern for one in said] == ["burst", "burst"]
    assert said[0].subject == "k" and str(anomalies.BURST_CALLS) in said[0].detail


@pytest.mark.parametrize(
    "entry",
    [
        call("", "POST", "/v1/embeddings", 999),
        call("owner", "GET", "/api/chats", 999),
        call("k", "GET", "/status", 999),
        call("k", "POST", "/api/chats", 999),
        call("k", "POST", "/v1/embeddings", 999).model_copy(update={"outcome": "denied"}),
    ],
)
def test_what_is_no_pattern(entry: AuditEntry) -> None:
    assert Monitor().see(entry, MONDAY) == []


def test_a_young_key_has_no_habits() -> None:
    monitor, young = Monitor(), key("young")
    for day in range(13):
        now = MONDAY + day * DAY + (day % 5) * 5 * 3600
        assert monitor.used(young, now) == []
        young.use.first_at = young.use.first_at or now
        young.use.hours |= 1 << hour_of_week(now)
    assert [one.pattern for one in monitor.used(young, MONDAY + 15 * DAY + 20 * 3600)] == ["odd_hour"]
    young.use.hours = (1 << 168) - 1
    assert monitor.used(young, MONDAY + 30 * DAY + 7200) == []


def test_hours_of_the_week() -> None:
    assert [hour_of_week(MONDAY + at) for at in (0, 3599, 3600, WEEK - 1, WEEK)] == [0, 0, 1, 167, 0]


def test_what_it_remembers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anomalies, "MOST_SUBJECTS", 50)
    monitor = Monitor()
    for number in range(200):
        monitor.see(call(f"k{number}", "POST", "/v1/embeddings", 999), MONDAY)
        monitor.see(call("one", "POST", "/v1/embeddings"), MONDAY)
    assert len(monitor._windows) <= 50 and len(monitor._said) <= 50
    for _ in range(anomalies.MOST_EVENTS + 50):
        monitor.see(call("one", "POST", "/v1/embeddings"), MONDAY)
    assert len(monitor._windows["burst", "one"].events) <= anomalies.MOST_EVENTS + 1
