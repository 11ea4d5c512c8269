"""What can go wrong on the bus."""

from __future__ import annotations

from solo.errors import SoloError


class NoHandler(SoloError):
    """No service answers this request."""

    code = "bus.no_handler"


class DuplicateHandler(SoloError):
    """Two services answer the same request."""

    code = "bus.duplicate_handler"


class Busy(SoloError):
    """The service has too many requests of this kind under way."""

    code = "bus.busy"


class DeadlineExceeded(SoloError):
    """The answer did not come in time."""

    code = "bus.deadline"


class HandlerCrashed(SoloError):
    """The service crashed while it answered."""

    code = "bus.handler_crashed"
    retryable = True


class HandlerStopped(SoloError):
    """The service stopped while it answered."""

    code = "bus.handler_stopped"
    retryable = True


class SlowSubscriber(SoloError):
    """A subscriber that must not miss anything did not keep up."""

    code = "bus.slow_subscriber"
