"""Named failures: every one has a stable code, and its docstring is its default message."""

from __future__ import annotations

from typing import Any, ClassVar

_KNOWN: dict[str, type[SoloError]] = {}


class SoloError(Exception):
    """Something failed in a way that Solo knows."""

    code: ClassVar[str] = "solo.error"
    retryable: ClassVar[bool] = False
    """True when asking the same idempotent question once more may well succeed."""

    def __init__(self, message: str | None = None, *, hint: str = "") -> None:
        super().__init__(message or _first_line(type(self)))
        self.hint = hint
        """What to do about it, one sentence; empty when there is nothing to do."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        known = _KNOWN.setdefault(cls.code, cls)
        # Equality by name, since a module may be loaded twice (as `__main__` and by its name).
        if known.__qualname__ != cls.__qualname__:
            raise TypeError(f"{cls.__qualname__} takes the code {cls.code!r} of {known.__qualname__}")

    @property
    def message(self) -> str:
        return str(self)

    def line(self) -> str:
        """The one line a person sees: what is wrong, what to do, the code."""
        said = _on_one_line(self.message)
        if not said.endswith((".", "!", "?")):
            said += "."
        hint = f" {_on_one_line(self.hint)}" if self.hint else ""
        return f"{said}{hint} [{self.code}]"

    def to_wire(self) -> dict[str, str]:
        return {"code": self.code, "message": self.message, "hint": self.hint}

    @staticmethod
    def from_wire(wire: dict[str, str]) -> SoloError:
        """The same error on this side of a process boundary; a code unknown here becomes `ForeignError`."""
        kind = _KNOWN.get(wire["code"])
        if kind is None:
            return ForeignError(wire["code"], wire["message"], hint=wire.get("hint", ""))
        error = kind.__new__(kind)
        SoloError.__init__(error, wire["message"], hint=wire.get("hint", ""))
        return error


class ForeignError(SoloError):
    """A failure named by another process with a code that this one does not know."""

    code = "solo.foreign"

    def __init__(self, code: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code  # type: ignore[misc]  # the one error whose code is data


def known_errors() -> dict[str, type[SoloError]]:
    """Every error class loaded so far, by code (the reference page is made from it)."""
    return dict(_KNOWN)


def _on_one_line(text: str) -> str:
    """Libraries' messages, which often are part of ours, may have many."""
    return " ".join(line.strip() for line in text.splitlines() if line.strip())


def _first_line(kind: type[SoloError]) -> str:
    return (kind.__doc__ or kind.__name__).strip().splitlines()[0]
