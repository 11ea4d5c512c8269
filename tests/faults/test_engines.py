"""Any engine child can be killed, frozen or crashed, idle or in mid-answer: the turn ends well, the child is back."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from tests.daemon import Daemon, wait_for
from tests.faults.conftest import ROUNDS, WHOLE, Row
from tests.faults.events import Fact, Facts, watching

pytestmark = pytest.mark.engine

ENGINES = ("vad", "wake", "stt", "llm", "tts")
FAULTS = (signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV)
ALL = [pytest.param(engine, fault, id=f"{engine}-{fault.name}") for fault in FAULTS for engine in ENGINES]
IDLE = ALL if WHOLE else [case for case in ALL if case.values[1] is signal.SIGSEGV]
"""In the suite each engine crashes idle and is killed in mid-answer, and two hang: `make faults` has all of it."""
AT_WORK = (
    ALL
    if WHOLE
    else [case for case in ALL if case.values[1] is signal.SIGKILL or case.id in {"stt-SIGSTOP", "llm-SIGSTOP"}]
)
NOTICE_WITHIN_S = 12.0
BACK_WITHIN_S = 60.0
LONG_QUESTION = "Tell me a long story about a small boat on a big sea."


def _crashed(engine: str) -> Callable[[Fact], bool]:
    """Who has other engines outlives the one that died, and is degraded until it is back."""
    state = "degraded" if engine in {"llm", "stt"} else "backoff"
    return lambda fact: fact["kind"] == "ServiceStateChanged" and fact["name"] == engine and fact["state"] == state


def _hit(daemon: Daemon, engine: str, fault: signal.Signals, facts: Facts, row: Row) -> None:
    """Do it, then wait until it was noticed and the child is another one that is ready."""
    before = daemon.engine_pid(engine)
    began = time.monotonic()
    os.kill(before, fault)
    noticed = facts.first(_crashed(engine), within=NOTICE_WITHIN_S, what=f"{engine} to be found dead")
    row.noticed_s.append(noticed["monotonic"] - began)

    def back() -> bool:
        service = daemon.service(engine)
        return service["state"] == "ready" and service["engine"]["pid"] != before

    wait_for(back, BACK_WITHIN_S, f"{engine} to be back")
    row.recovered_s.append(time.monotonic() - began)
    assert not psutil.pid_exists(before), "the dead child was not reaped"


@pytest.mark.parametrize(("engine", "fault"), IDLE)
@pytest.mark.timeout(1800)
def test_idle(victim: Daemon, engine: str, fault: signal.Signals, row: Row) -> None:
    for _ in range(ROUNDS):
        with watching(victim) as facts:
            _hit(victim, engine, fault, facts, row)
        row.outcomes.append(victim.ask("What is two plus two?")["outcome"])
    assert set(row.outcomes) == {"answered"}


# When each engine is at work for a turn: the fact that says so, and whether the question is spoken.
_AT_WORK = {
    "vad": ("SpeechStarted", True),
    "wake": ("AnswerGrew", False),
    "stt": ("UtterancePaused", True),
    "llm": ("AnswerGrew", False),
    "tts": ("AnswerGrew", False),
}


@pytest.mark.parametrize(("engine", "fault"), AT_WORK)
@pytest.mark.timeout(3600)
def test_mid_answer(victim: Daemon, question: bytes, engine: str, fault: signal.Signals, row: Row) -> None:
    kind, spoken = _AT_WORK[engine]
    for round_ in range(ROUNDS):
        with watching(victim) as facts:
            start: dict[str, Any] = {"wake": False, "talk": f"{engine}-{fault}-{round_}"}
            if not spoken:
                start["text"] = LONG_QUESTION
            turn: dict[str, Any] = {}

            def take_turn(start: dict[str, Any] = start, turn: dict[str, Any] = turn) -> None:
                turn["answer"] = asyncio.run(victim.client.voice(start, question if spoken else None))

            asking = threading.Thread(target=take_turn)
            asking.start()
            facts.first(lambda fact: fact["kind"] == kind, within=30, what=f"{engine} at work")
            _hit(victim, engine, fault, facts, row)
            asking.join(120)
        answer = turn["answer"]
        row.outcomes.append(answer.turn["outcome"])
        # Either an answer, or a failure that has a name and was said aloud (when there is a voice to say it).
        assert answer.turn["outcome"] == "answered" or (answer.turn["error"]["code"] and answer.pcm), answer.turn
