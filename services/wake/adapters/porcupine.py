"""Wake words by Picovoice Porcupine: many ready words and custom ones; version 2 and later want an AccessKey.

Porcupine checks the key with its vendor's server when it starts, which an engine without network cannot do; the
1.9 line, which has no keys, never asks anybody.
"""

from __future__ import annotations

import importlib
import inspect
import re
import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from services.wake.adapters.hearing import Hearing, Sensitivity, choose
from services.wake.engine import Detection
from solo.isolation.call import Call
from solo.isolation.engine import EngineError

DEFAULT_WORDS = ("jarvis", "computer")
_FILE_TAIL = re.compile(r"_([a-z]{2}_)?(linux|mac|windows|raspberry-pi|jetson|beaglebone)(_v[\d_]+)?$")
"""What the vendor's keyword files carry after the word, as in `hey google_linux` and `Hey-Solo_en_linux_v3_0_0`."""


class Porcupine:
    """Options: `words`, `sensitivity`, `sensitivities`, `threads`, `access_key`, `model_dir` with more `.ppn` files,
    `package_dir`.

    A word's id is its keyword in lower case with underscores, `hey_google`. `package_dir` is a folder to import
    `pvporcupine` from, for a version other than the installed one.
    """

    def __init__(
        self,
        words: Sequence[str] | None = None,
        sensitivity: float = 0.5,
        threads: int = 1,
        sensitivities: Mapping[str, float] | None = None,
        access_key: str = "",
        model_dir: str | None = None,
        package_dir: str | None = None,
    ) -> None:
        self._words = DEFAULT_WORDS if words is None else words
        self._sensitivity = sensitivity
        self._sensitivities = sensitivities
        self._threads = threads
        self._access_key = access_key
        self._model_dir = model_dir
        self._package_dir = package_dir

    def load(self) -> dict[str, Any]:
        """Raises `ModelMissing`, or `EngineError` when the key is missing or Porcupine refuses to start."""
        sensitivity = Sensitivity(self._sensitivity, self._sensitivities)
        vendor = self._import_vendor()
        files = [Path(path) for path in vendor.KEYWORD_PATHS.values()]
        if self._model_dir:
            files += sorted(Path(self._model_dir).glob("*.ppn"))
        keywords = choose(self._words, {word_id(path): path for path in files})

        options: dict[str, Any] = {
            "keyword_paths": [str(path) for path in keywords.values()],
            "sensitivities": [sensitivity.of(word) for word in keywords],
        }
        accepted = inspect.signature(vendor.create).parameters
        if "access_key" in accepted:
            if not self._access_key:
                raise EngineError("Porcupine needs an AccessKey", hint=_KEY_HINT)
            options["access_key"] = self._access_key
        if "device" in accepted:
            options["device"] = f"cpu:{self._threads}"

        words = list(keywords)
        first = self._create(vendor, options)
        spare = [first]

        def open_ear() -> _Ear:
            return _Ear(spare.pop() if spare else self._create(vendor, options), words)

        self._hearing = Hearing(open_ear, first.frame_length, end=_Ear.delete)
        return {"engine": f"Porcupine {first.version}", "model": "Porcupine", "words": words}

    def feed(self, call: Call, session: str, pcm: bytes) -> list[Detection]:
        return self._hearing.feed(call, session, pcm)

    def close(self, call: Call, session: str) -> None:
        self._hearing.close(session)

    def _import_vendor(self) -> Any:
        if self._package_dir:
            if not (Path(self._package_dir) / "pvporcupine").is_dir():
                raise EngineError(
                    f"no pvporcupine in {self._package_dir}", hint="Install it there or unset package_dir."
                )
            sys.path.insert(0, self._package_dir)
        return importlib.import_module("pvporcupine")

    def _create(self, vendor: Any, options: dict[str, Any]) -> Any:
        try:
            return vendor.create(**options)
        except Exception as error:  # noqa: BLE001  # its classes differ by version and have no common one of their own
            said = f"{type(error).__name__}: {error}"
            if self._access_key:
                # The vendor repeats a key that it cannot read; so would the traceback of the cause.
                said = said.replace(self._access_key, "<the key>")
            raise EngineError(f"Porcupine did not start: {said}", hint=_KEY_HINT) from None


class _Ear:
    def __init__(self, handle: Any, words: list[str]) -> None:
        self._handle = handle
        self._words = words
        self._unpack = struct.Struct(f"<{handle.frame_length}h").unpack

    def hear(self, block: bytes) -> Iterator[str]:
        index = self._handle.process(self._unpack(block))
        if index >= 0:
            yield self._words[index]

    def delete(self) -> None:
        self._handle.delete()


def word_id(file: Path) -> str:
    """The id of a keyword file: `hey_google` of `hey google_linux.ppn`."""
    return re.sub(r"[ -]", "_", _FILE_TAIL.sub("", file.stem).lower())


_KEY_HINT = "Set SOLO_WAKE__ACCESS_KEY to a key from the Picovoice Console, or choose the engine microwakeword."
