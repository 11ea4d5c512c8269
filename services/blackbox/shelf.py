"""The folder of recordings: written whole or not at all, the oldest go first. Blocks: for a thread."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from services.blackbox.cutting import Cut
from services.messages.blackbox import KeptTurn
from solo import replay
from solo.replay import Manifest

SUFFIX = ".turn.zip"
FOLDER = "turns"
_STRANGE = re.compile(r"[^0-9A-Za-z_-]")


@dataclass(frozen=True, slots=True)
class _Kept:
    file: Path
    size: int
    written: float
    """Seconds since 1970 UTC."""
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Limits:
    turns: int
    """Most recordings; 0: none are made."""
    size: int
    """Bytes of all together."""
    age_s: float
    """Seconds that one is kept."""


class Shelf:
    """One thread at a time. Outlives a crash of its service."""

    def __init__(self, state_dir: Path, limits: Limits, wall: Callable[[], float] = time.time) -> None:
        self.limits = limits
        self._folder = state_dir / FOLDER
        self._wall = wall
        self._kept: dict[str, _Kept] | None = None
        """By id of the turn, oldest first; None: the folder was not looked at yet."""

    def put(self, cut: Cut) -> None:
        """Raises OSError: a full disk, most likely. Room is made before, and again after."""
        kept = self._all()
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._folder.chmod(0o700)
        name = f"{int(self._wall() * 1000):013d}-{_STRANGE.sub('_', cut.manifest.id)[:64]}{SUFFIX}"
        handle, temporary = tempfile.mkstemp(dir=self._folder, prefix=".", suffix=".part")  # 0600
        try:
            with os.fdopen(handle, "wb") as file:
                replay.write(file, cut.manifest, cut.seen, cut.origin)
            size = Path(temporary).stat().st_size
            if (before := kept.pop(cut.manifest.id, None)) is not None:
                before.file.unlink(missing_ok=True)
            Path(temporary).replace(self._folder / name)
        except BaseException:
            with suppress(OSError):
                Path(temporary).unlink(missing_ok=True)
            raise
        kept[cut.manifest.id] = _Kept(self._folder / name, size, self._wall(), cut.manifest)
        self.tidy()

    def tidy(self) -> None:
        """What is too old, or too much, goes."""
        kept = self._all()
        limits = self.limits
        oldest = self._wall() - limits.age_s
        total = sum(one.size for one in kept.values())
        for id_, one in list(kept.items()):
            if one.written >= oldest and len(kept) <= limits.turns and total <= limits.size:
                break
            total -= one.size
            self._remove(id_)

    def list(self, profile: str) -> tuple[KeptTurn, ...]:
        """Newest first."""
        return tuple(_shown(one) for one in reversed(self._all().values()) if one.manifest.profile == profile)

    def manifest(self, id_: str, profile: str) -> Manifest | None:
        one = self._find(id_, profile)
        return None if one is None else one.manifest

    def content(self, id_: str, profile: str) -> bytes | None:
        one = self._find(id_, profile)
        try:
            return None if one is None else one.file.read_bytes()
        except FileNotFoundError:  # somebody took it away by hand
            self._all().pop(id_, None)
            return None

    def forget(self, profile: str, *, id_: str | None = None, talk: str | None = None) -> int:
        """How many there were."""
        gone = [
            known
            for known, one in self._all().items()
            if one.manifest.profile == profile
            and id_ in (None, known)
            and talk in (None, one.manifest.summary.get("talk"))
        ]
        for known in gone:
            self._remove(known)
        return len(gone)

    def _find(self, id_: str, profile: str) -> _Kept | None:
        one = self._all().get(id_)
        return one if one is not None and one.manifest.profile == profile else None

    def _remove(self, id_: str) -> None:
        self._all().pop(id_).file.unlink(missing_ok=True)

    def _all(self) -> dict[str, _Kept]:
        if self._kept is None:
            self._kept = {one.manifest.id: one for one in self._look()}
        return self._kept

    def _look(self) -> Iterator[_Kept]:
        """What earlier daemons left; what one was writing when it was killed goes."""
        for part in self._folder.glob(".*.part"):
            part.unlink(missing_ok=True)
        for file in sorted(self._folder.glob(f"*{SUFFIX}")):
            try:
                manifest = replay.read(file, manifest_only=True).manifest
                known = file.stat()
            except (replay.BadBundle, OSError):
                continue  # not one of ours: neither shown nor deleted
            yield _Kept(file, known.st_size, known.st_mtime, manifest)


def _shown(one: _Kept) -> KeptTurn:
    manifest = one.manifest
    summary = manifest.summary
    return KeptTurn(
        turn_id=manifest.id,
        at=manifest.at,
        source=manifest.source,
        heard=str(summary.get("heard", "")),
        outcome=str(summary.get("outcome", "")),
        voice_to_voice_ms=(summary.get("latency_ms") or {}).get("voice_to_voice"),
        seconds=manifest.seconds,
        size=one.size,
        violations=manifest.violations,
        missing=manifest.missing,
    )
