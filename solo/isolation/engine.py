"""What an adapter in a child process must look like, and the errors it may answer with."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

from solo.errors import SoloError

Value: TypeAlias = bool | int | float | str | bytes | list[Any] | dict[str, Any] | None
"""What crosses the pipe: msgpack's types. Sound and pictures go as raw bytes."""


class Adapter(Protocol):
    """The child's side of an engine: a cheap constructor taking plain options, then `load`.

    Every other public method is callable from the daemon as `method(call, **parameters)`, with a `Call` first.
    It returns a `Value`, or is a generator of `Value`s (closed when the asker leaves). The vendor's library
    is imported inside `load`, so that the module itself can be imported anywhere. One call runs at a time
    unless the class sets `concurrency`.
    """

    def load(self) -> dict[str, Any]:
        """Load the engine; returns what to show of it: at least `engine` and `model`, both short strings."""
        ...


class EngineError(SoloError):
    """The engine could not do what was asked."""

    code = "engine.failed"


class ModelMissing(SoloError):
    """The model file is not there."""

    code = "engine.model_missing"


class ModelCorrupt(SoloError):
    """The model file cannot be loaded."""

    code = "engine.model_corrupt"


class EngineDied(SoloError):
    """The engine's process ended while it was needed."""

    code = "engine.died"
    retryable = True


class EngineHung(EngineDied):
    """The engine's process stopped answering and was ended."""

    code = "engine.hung"


class EngineNotStarted(SoloError):
    """The engine's process did not become ready."""

    code = "engine.not_started"


class InputQuarantined(SoloError):
    """This input has ended the engine twice in a row and is not given to it again."""

    code = "engine.quarantined"


class BadEngineInput(SoloError):
    """The engine cannot take this input."""

    code = "engine.bad_input"
