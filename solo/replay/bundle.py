"""The file of a recording: a manifest, one line for each fact and each question, and the sounds they point to."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import to_jsonable_python

from solo.bus.tap import CANCELLED, Call, Published, Seen
from solo.errors import SoloError
from solo.replay.sounds import Sounds, as_wav, from_wav

FORMAT = 1
"""Of the file; a reader refuses what it does not know."""
MOST_BYTES = 256 * 1024 * 1024
"""Of a bundle unpacked: it may come from anybody."""
_MANIFEST, _LINES, _SOUNDS = "turn.json", "lines.jsonl", "sound/"


class BadBundle(SoloError):
    """The file is no recording that can be played."""

    code = "replay.bad_bundle"


class Manifest(BaseModel):
    """`turn.json`: what the recording is of."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: int = FORMAT
    """Version of the file's format."""
    solo: str
    """Version of Solo that made it."""
    id: str
    """Of the turn."""
    at: str
    """When it began: ISO 8601 UTC."""
    profile: str
    """Whose turn it is."""
    source: str
    """Where it came from."""
    seconds: float
    """Length of the recording."""
    summary: dict[str, Any]
    """The turn as it was told at its end: texts, outcome, latency, engines."""
    violations: tuple[str, ...] = ()
    """Invariants that were broken in it."""
    decisions: tuple[dict[str, Any], ...] = ()
    """Each with `t` (seconds from the beginning), `kind` and what was decided."""
    settings: dict[str, Any] = {}
    """By dotted path, those of the live services; secrets are masked."""
    live: tuple[str, ...] = ()
    """Services that run again when it is played; all others are played as recorded."""
    bulk: tuple[str, ...] = ()
    """Kinds of facts that are sound alone, and not compared."""
    machine: dict[str, Any] = {}
    """Where it was made: Python, platform, cores."""
    missing: str = ""
    """Why it cannot be played again, where it cannot; empty otherwise."""


@dataclass(frozen=True, slots=True)
class EventLine:
    """A fact."""

    t: float
    """Seconds from the beginning."""
    kind: str
    by: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CallLine:
    """A question and what came of it."""

    t: float
    kind: str
    by: str
    of: str
    data: dict[str, Any]
    answers: tuple[tuple[float, Any], ...]
    """(seconds from the beginning, answer)."""
    taken: tuple[float, ...]
    ended: float | None
    error: dict[str, str] | str | None


Line = EventLine | CallLine


@dataclass(frozen=True, slots=True)
class Bundle:
    manifest: Manifest
    lines: tuple[Line, ...]
    sounds: dict[str, bytes]


def write(file: IO[bytes], manifest: Manifest, seen: Sequence[Seen], origin: float) -> None:
    """Everything that was seen, from `origin` (monotonic seconds) on. Takes as long as its sound is large."""
    sounds = Sounds()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        packed.writestr(_MANIFEST, manifest.model_dump_json(indent=1))
        lines = (json.dumps(line, separators=(",", ":")) for line in _lines(seen, origin, sounds))
        packed.writestr(_LINES, "".join(f"{line}\n" for line in lines))
        for name, pcm in sorted(sounds.books.items()):
            packed.writestr(f"{_SOUNDS}{name}.wav", as_wav(name, pcm))


def read(path: Path, *, manifest_only: bool = False) -> Bundle:
    """Raises BadBundle, whatever is wrong with it."""
    try:
        with zipfile.ZipFile(path) as packed:
            if sum(part.file_size for part in packed.infolist()) > MOST_BYTES:
                raise BadBundle(f"{path} is larger than {MOST_BYTES // 1024**2} MB")
            manifest = Manifest.model_validate_json(packed.read(_MANIFEST))
            if manifest.format != FORMAT:
                raise BadBundle(f"{path} has format {manifest.format}, and this Solo reads {FORMAT}")
            if manifest_only:
                return Bundle(manifest, (), {})
            lines = tuple(_line(json.loads(line)) for line in packed.read(_LINES).splitlines())
            sounds = {
                name.removeprefix(_SOUNDS).removesuffix(".wav"): from_wav(packed.read(name))
                for name in packed.namelist()
                if name.startswith(_SOUNDS)
            }
    except FileNotFoundError:
        raise BadBundle(f"there is no file {path}", hint="`solo turns export ID FILE` writes one.") from None
    except (OSError, zipfile.BadZipFile, ValidationError, LookupError, ValueError, TypeError, EOFError) as error:
        raise BadBundle(f"{path} is no recording of a turn: {type(error).__name__}") from error
    return Bundle(manifest, lines, sounds)


def _lines(seen: Sequence[Seen], origin: float, sounds: Sounds) -> Iterator[dict[str, Any]]:
    for one in seen:
        if isinstance(one, Published):
            event = one.event
            kind = type(event).__name__
            yield {"t": _after(one.at, origin), "event": kind, "by": one.by, "data": plain(event, sounds)}
        else:
            yield _call(one, origin, sounds)


def _call(call: Call, origin: float, sounds: Sounds) -> dict[str, Any]:
    question = type(call.question).__name__
    line: dict[str, Any] = {"t": _after(call.at, origin), "ask": question, "by": call.by, "of": call.of}
    line["data"] = plain(call.question, sounds)
    line["answers"] = [[_after(item.at, origin), plain(item.answer, sounds)] for item in call.items]
    if call.taken:
        line["taken"] = [_after(at, origin) for at in call.taken]
    if call.ended is not None:
        line["ended"] = _after(call.ended, origin)
    if call.error is not None:
        line["error"] = call.error.to_wire() if isinstance(call.error, SoloError) else call.error
    return line


def plain(value: Any, sounds: Sounds, owner: Any = None) -> Any:
    """As JSON, with references instead of sound."""
    if value is None or (isinstance(value, bool | int | float | str) and not isinstance(value, Enum)):
        return value
    if isinstance(value, bytes):
        return sounds.keep(value, owner)
    if isinstance(value, BaseModel):
        fields = {name: getattr(value, name) for name in type(value).model_fields if name not in {"monotonic", "wall"}}
        return {name: plain(each, sounds, value) for name, each in fields.items()}
    if isinstance(value, dict):
        return {str(key): plain(each, sounds, owner) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each, sounds, owner) for each in value]
    return to_jsonable_python(value, fallback=str)


def _after(at: float, origin: float) -> float:
    return round(at - origin, 6)


def _line(line: Any) -> Line:
    if not isinstance(line, dict):
        raise ValueError("a line is no object")
    if "event" in line:
        return EventLine(float(line["t"]), str(line["event"]), str(line["by"]), dict(line["data"]))
    error = line.get("error")
    return CallLine(
        t=float(line["t"]),
        kind=str(line["ask"]),
        by=str(line["by"]),
        of=str(line["of"]),
        data=dict(line["data"]),
        answers=tuple((float(at), answer) for at, answer in line["answers"]),
        taken=tuple(map(float, line.get("taken", ()))),
        ended=None if line.get("ended") is None else float(line["ended"]),
        error=error if error is None or error == CANCELLED else dict(error),
    )
