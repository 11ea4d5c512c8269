"""`solo ask`: one question, typed or spoken."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.text import Text

from solo.cli.client import Answer, Client
from solo.cli.exits import Exit
from solo.cli.show import citation_lines, err, out, turn_lines
from solo.cli.standalone import standalone
from solo.errors import SoloError
from solo.settings import MachineSettings, load
from solo.sound import read_pcm, write_wav


class NoSpeechHeard(SoloError):
    """No speech was heard."""

    code = "ask.no_speech"


class NoWakeWordHeard(SoloError):
    """The wake word was not heard."""

    code = "ask.no_wake"


class NothingAsked(SoloError):
    """There is no question."""

    code = "ask.nothing"


@dataclass(frozen=True, slots=True)
class Question:
    text: str | None
    wav: Path | None
    wake: bool
    out: Path | None
    talk: str
    as_json: bool
    own_daemon: bool


def ask(question: Question) -> Exit:
    if (question.text is None) == (question.wav is None):
        raise NothingAsked("give a question: a text, or --wav FILE (not both)", hint='For example: solo ask "Hello".')
    if question.wake and question.wav is None:
        raise NothingAsked("--wake is for spoken questions", hint="Give --wav FILE as well.")
    pcm = read_pcm(question.wav) if question.wav is not None else None
    with _daemon(question) as client:
        if question.text is not None and question.out is None:
            answer = _typed(client, question.text, question)
        else:
            answer = _spoken(client, pcm, question)
    if question.out is not None and answer.pcm:
        write_wav(question.out, bytes(answer.pcm), answer.sample_rate)
    return _report(question, answer)


@contextmanager
def _daemon(question: Question) -> Iterator[Client]:
    if question.own_daemon:
        with standalone() as client:
            yield client
    else:
        yield Client(load(MachineSettings, strict=False))


def _typed(client: Client, text: str, question: Question) -> Answer:
    turn: dict[str, Any] = {}
    for name, data in client.events("/api/ask", {"text": text, "talk": question.talk, "stream": True}):
        if name == "delta" and not question.as_json:
            out.print(Text(data["text"]), end="", soft_wrap=True)
        elif name == "turn":
            turn = data
    if not question.as_json:
        out.print()
    return Answer(turn)


def _spoken(client: Client, pcm: bytes | None, question: Question) -> Answer:
    start: dict[str, Any] = {"wake": question.wake, "talk": question.talk}
    if question.text is not None:
        start["text"] = question.text
    return asyncio.run(client.voice(start, pcm))


def _report(question: Question, answer: Answer) -> Exit:
    turn = answer.turn
    error = turn["error"]
    nothing = _nothing_heard(turn["outcome"], question.wav)
    if nothing is not None:
        error = nothing.to_wire()
    if question.as_json:
        out.print_json(json.dumps(_for_programs(question, answer, error)))
    else:
        if question.text is None and turn["outcome"] == "answered":
            turn_lines(turn)
        citation_lines(turn)
    if error is not None:
        hint = f" {error['hint']}" if error.get("hint") else ""
        err.print(Text(f"{error['message']}.{hint} [{error['code']}]"), soft_wrap=True)
    if nothing is not None:
        return Exit.NOTHING_HEARD
    return Exit.OK if turn["outcome"] == "answered" else Exit.FAILED


def _nothing_heard(outcome: str, wav: Path | None) -> SoloError | None:
    where = f" in {wav}" if wav is not None else ""
    if outcome == "no_speech":
        hint = "Check that the recording has a voice in it, loud enough."
        return NoSpeechHeard(f"no speech was heard{where}", hint=hint)
    if outcome == "no_wake":
        hint = "Say it before the question, or leave out --wake."
        return NoWakeWordHeard(f"the wake word was not heard{where}", hint=hint)
    return None


def _for_programs(question: Question, answer: Answer, error: dict[str, Any] | None) -> dict[str, Any]:
    turn = answer.turn
    latency = turn["latency_ms"]
    points = ("end_of_turn", "transcript", "recalled", "first_token", "first_audio", "voice_to_voice")
    return {
        "turn_id": turn["turn_id"],
        "heard": turn["heard"],
        "said": turn["said"],
        "outcome": turn["outcome"],
        "error": error,
        "audio": {
            "path": str(question.out) if question.out is not None else None,
            "seconds": round(len(answer.pcm) / 2 / answer.sample_rate, 3),
            "sample_rate": answer.sample_rate,
        }
        if answer.pcm
        else None,
        "latency_ms": {point: latency[point] for point in points},
        "engines": turn["engines"],
        "receipt": turn["receipt"],
        "memory": turn["memory"],
        "citations": turn["citations"],
        "stored": turn["stored"],
    }
