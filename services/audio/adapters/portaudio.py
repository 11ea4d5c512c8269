"""Which sound devices PortAudio knows: the wanted one first. It learns of new ones only when it starts afresh."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Literal

from services.audio.device import NoSoundDevice

Kind = Literal["input", "output"]
_MOST_TRIED = 8
"""One card shows up under a dozen names where ALSA is at work; when eight do not open, the rest will not either."""
RATE = 16_000


def library() -> Any:
    """Raises NoSoundDevice where it is missing."""
    try:
        import sounddevice
    except OSError as error:
        hint = "Install it (Debian: libportaudio2), or start with --audio none."
        raise NoSoundDevice("the PortAudio library is missing", hint=hint) from error
    return sounddevice


def device(name: str | None) -> str | int | None:
    return int(name) if name is not None and name.isdigit() else name


def candidates(
    vendor: Any, kind: Kind, wanted: str | None, avoid: str = ""
) -> Iterator[tuple[int, dict[str, Any], bool]]:
    """Number, description and whether it is the wanted one (unset: the system's default) of what may be opened.

    One named `avoid` comes last.
    """
    chosen = None
    with suppress(vendor.PortAudioError, ValueError):  # it is not there, or nothing is
        chosen = vendor.query_devices(device(wanted), kind)
    found = [] if chosen is None else [(int(chosen["index"]), dict(chosen), True)]
    others = [other for other in vendor.query_devices() if other[f"max_{kind}_channels"] > 0]
    found += [
        (int(other["index"]), dict(other), False)
        for other in others[:_MOST_TRIED]
        if chosen is None or other["index"] != chosen["index"]
    ]
    yield from sorted(found, key=lambda each: bool(avoid) and each[1]["name"] == avoid)


class Look:
    """What could be opened now, seen by a process that has started afresh, beside one that is at work."""

    def __init__(self, microphone: str | None = None, loudspeaker: str | None = None) -> None:
        self._wanted: dict[Kind, str | None] = {"input": microphone, "output": loudspeaker}

    def load(self) -> dict[str, Any]:
        vendor = library()
        found: dict[str, Any] = {"engine": "PortAudio", "model": "look"}
        for kind in self._wanted:
            usable = [wanted for number, about, wanted in candidates(vendor, kind, self._wanted[kind])
                      if _usable(vendor, kind, number, about)]  # fmt: skip
            found |= {kind: bool(usable), f"wanted_{kind}": any(usable)}
        return found


def _usable(vendor: Any, kind: Kind, number: int, about: dict[str, Any]) -> bool:
    check = vendor.check_input_settings if kind == "input" else vendor.check_output_settings
    for rate in (RATE, about["default_samplerate"]):
        try:
            check(device=number, channels=1, dtype="int16", samplerate=rate)
        except vendor.PortAudioError:
            continue
        return True
    return False
