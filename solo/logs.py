"""Structured logs to stderr: one event a line, as JSON or for people."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Literal

# structlog loads rich for tracebacks that we do not use, whenever rich is there: a fifth of the daemon's start.
_RICH = sys.modules.get("rich")
sys.modules["rich"] = None  # type: ignore[assignment]  # an import of it fails, as where it is not installed
try:
    import structlog
finally:
    del sys.modules["rich"]
    if _RICH is not None:
        sys.modules["rich"] = _RICH

_QUIET = ("httpx", "httpcore", "uvicorn.access", "asyncio")


def configure(level: str, form: Literal["auto", "console", "json"]) -> None:
    """Set up structlog and send the standard library's logging through it."""
    number = logging.getLevelNamesMapping()[level.upper()]
    as_json = form == "json" or (form == "auto" and not sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _drop_secrets,
    ]
    render: structlog.typing.Processor
    if as_json:
        shared.append(structlog.processors.format_exc_info)
        render = structlog.processors.JSONRenderer()
    else:
        # Plain: the pretty tracebacks show local variables, keys among them, and hold the loop while they are drawn.
        render = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=render, foreign_pre_chain=shared))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(number, logging.INFO))
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


_SECRET_WORDS = ("key", "token", "password", "secret", "authorization")


def _drop_secrets(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A secret that somebody logs by mistake is not written."""
    for name in event:
        if any(word in name.lower() for word in _SECRET_WORDS) and isinstance(event[name], str):
            event[name] = "***"
    return event


def get_logger(**context: Any) -> Any:
    """A logger that says `context` with every line."""
    return structlog.get_logger(**context)


def bind(**context: Any) -> None:
    """Every line logged from here on in this task, by whomever, says `context` too."""
    structlog.contextvars.bind_contextvars(**context)
