"""What can go wrong with a model that another server runs."""

from __future__ import annotations

from solo.errors import SoloError


class RemoteUnavailable(SoloError):
    """The server that runs the model cannot be asked now."""

    code = "llm.remote_unavailable"
    retryable = True


class RemoteDied(SoloError):
    """The server that runs the model broke off in the middle of its answer."""

    code = "llm.remote_died"
    retryable = True


class RemoteSlow(SoloError):
    """The server that runs the model did not go on in time."""

    code = "llm.remote_slow"
    retryable = True


class RemoteForbidden(SoloError):
    """The server that runs the model does not take Solo's key."""

    code = "llm.remote_forbidden"


class RemoteRefused(SoloError):
    """The server that runs the model does not take this question."""

    code = "llm.remote_refused"


class RemoteFailed(SoloError):
    """The server that runs the model failed, or answered what nobody can read."""

    code = "llm.remote_failed"
