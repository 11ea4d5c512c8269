"""What the TensorFlow Lite engines share: whether a model file is one, and how many threads an interpreter takes."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

from solo.isolation.engine import ModelCorrupt, ModelMissing

_IDENTIFIER = b"TFL3"
"""At bytes 4 to 8 of every TensorFlow Lite flatbuffer (its schema's file_identifier)."""


def require_model(path: Path) -> None:
    """Raises `ModelMissing` or `ModelCorrupt`; the library itself would read through a null pointer."""
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise ModelMissing(f"cannot read {path}: {error.strerror}", hint="Put the .tflite file there.") from error
    if head[4:] != _IDENTIFIER:
        raise ModelCorrupt(f"{path} is not a TensorFlow Lite model", hint="Fetch the .tflite file once more.")


def with_threads(kind: type[Any], threads: int) -> type[Any]:
    """`kind`, one of pyopen-wakeword's classes, with at most `threads` threads in each interpreter it creates.

    The library passes no options, and TensorFlow Lite then helps itself: eight more threads on two cores and twice the
    CPU time, for nothing gained at this size. The class keeps its loaded library in `self.lib`; that is where the
    call that creates interpreters gets its options.
    """

    def with_options(library: Any) -> Any:
        pointer = ctypes.c_void_p
        create = _function(library, "TfLiteInterpreterCreate", pointer, pointer, pointer)
        new_options = _function(library, "TfLiteInterpreterOptionsCreate", pointer)
        limit = _function(library, "TfLiteInterpreterOptionsSetNumThreads", None, pointer, ctypes.c_int32)
        drop_options = _function(library, "TfLiteInterpreterOptionsDelete", None, pointer)

        def create_limited(model: int, _none: None) -> int | None:
            options = new_options()
            limit(options, threads)
            try:
                created: int | None = create(model, options)
            finally:
                drop_options(options)
            return created

        library.TfLiteInterpreterCreate = create_limited
        return library

    def get(self: Any) -> Any:
        return self._limited_library

    def put(self: Any, library: Any) -> None:
        self._limited_library = with_options(library)

    return type(f"{kind.__name__}With{threads}Threads", (kind,), {"lib": property(get, put)})


def _function(library: Any, name: str, result: Any, *arguments: Any) -> Any:
    function = library[name]  # by index: a function object of its own, whose signature nobody else sets
    function.restype, function.argtypes = result, arguments
    return function
