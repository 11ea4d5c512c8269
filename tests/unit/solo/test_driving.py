"""What engines that batch say is delivered: at once, or together where the asker is patient."""

from __future__ import annotations

from typing import Any

import pytest

from solo.isolation.driving import JOIN_S, DriveLoop, Work
from solo.isolation.frames import Frame


class Counting:
    """Says a number a step, up to `most`; patient from its second word on if `patient`."""

    drives = True

    def __init__(self) -> None:
        self.works: list[tuple[Work, bool, list[int]]] = []

    def load(self) -> dict[str, Any]:
        return {}

    def begin(self, work: Work, method: str, params: dict[str, Any]) -> None:
        self.works.append((work, params["patient"], list(range(params["most"]))))

    def step(self) -> bool:
        for entry in list(self.works):
            work, patient, numbers = entry
            if not numbers:
                work.finish()
                self.works.remove(entry)
            elif work.room > 0:
                work.say(numbers.pop(0))
                work.patient = patient
        return any(work.room > 0 for work, _, _ in self.works)


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("solo.isolation.driving.time", clock)
    return clock


def begun(patient: bool, most: int, credit: int = 100) -> tuple[DriveLoop, list[list[Frame]]]:
    sent: list[list[Frame]] = []
    loop = DriveLoop(Counting(), sent.append)
    call = {"kind": "call", "id": 1, "method": "count", "credit": credit}
    loop.put({**call, "params": {"patient": patient, "most": most}})
    return loop, sent


def sizes(sent: list[list[Frame]]) -> list[int]:
    return [len(frames) for frames in sent]


def test_each_word_at_once(clock: Clock) -> None:
    loop, sent = begun(patient=False, most=5)
    while loop.turn(wait=False):
        clock.now += JOIN_S / 10
    assert sizes(sent) == [1, 1, 1, 1, 1, 1]


def test_words_of_the_patient_go_together(clock: Clock) -> None:
    loop, sent = begun(patient=True, most=24)
    while loop.turn(wait=False):
        clock.now += JOIN_S / 10
    said = [frame["value"] for frames in sent for frame in frames if frame["kind"] == "item"]
    assert said == list(range(24))
    assert sizes(sent)[0] == 1, "the first word waits for nothing"
    assert len(sent) <= 5
    assert sent[-1][-1]["kind"] == "done"


def test_nothing_waits_when_there_is_nothing_to_do(clock: Clock) -> None:
    loop, sent = begun(patient=True, most=24, credit=6)
    while loop.turn(wait=False):
        clock.now += JOIN_S / 100
    assert sum(sizes(sent)) == 6, "words were kept back although no room is left"


def test_an_end_takes_along_what_waits(clock: Clock) -> None:
    loop, sent = begun(patient=True, most=3)
    while loop.turn(wait=False):
        pass
    assert sizes(sent) == [1, 3]
