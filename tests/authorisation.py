"""Who may do what, written down by hand and reviewed: nothing here is taken from the code that it judges."""

from __future__ import annotations

import re

PUBLIC = {
    "GET /healthz",
    "GET /readyz",
    "POST /api/auth/login",
    "POST /api/auth/refresh",
}
"""Everything that somebody without a key can ask."""
STATIC = {"GET /voice", "GET /voice/{file:path}"}
"""Files of Solo's own, the same for everybody; they ask nothing of anybody."""

MAY = {
    "admin": {
        "chat", "audio", "embed", "models.read", "models.manage", "memory.read", "memory.write", "status.read",
        "events.read", "config.read", "config.write", "keys.own", "keys.manage", "users.manage", "audit.read",
        "daemon.control",
    },
    "user": {"chat", "audio", "embed", "models.read", "memory.read", "memory.write", "status.read", "keys.own"},
    "guest": {"chat", "audio", "models.read"},
    "service": {"chat", "audio", "embed", "models.read", "memory.read", "memory.write", "status.read"},
}  # fmt: skip
"""What each role may at most."""

NEEDS = [
    # OpenAI's and Anthropic's doors.
    (r"GET /v1/models(/.*)?", "models.read"),
    (r"POST /v1/(embeddings|rerank)", "embed"),
    (r"(GET|POST) /v1/audio/.*", "audio"),
    (r"(WS|POST) /v1/realtime(/client_secrets)?", "audio"),
    (r"POST /v1/(chat/completions|completions|messages|messages/count_tokens|responses)", "chat"),
    (r"(GET|POST|DELETE) /v1/responses/.*", "chat"),
    # Talking, and what was said.
    (r"POST /api/ask", "chat"),
    (r"(GET|POST|DELETE) /api/turns(/.*)?", "chat"),
    (r"(GET|DELETE) /api/chats(/.*)?", "chat"),
    (r"GET /api/history", "chat"),
    (r"(GET|DELETE) /api/timers(/.*)?", "chat"),
    (r"WS /ws/chat", "chat"),
    (r"WS /ws/voice", "audio"),
    # What is remembered. Making the index anew is for everybody's.
    (r"POST /api/memory/reindex", "daemon.control"),
    (r"GET /api/memory(/.*)?", "memory.read"),
    (r"POST /api/memory/search", "memory.read"),
    (r"(POST|PUT|PATCH|DELETE) /api/memory/.*", "memory.write"),
    # Models: to look and to ask which would do, or to change what is there for everybody.
    (r"GET /api/(models|llm)(/.*)?", "models.read"),
    (r"POST /api/models/choose", "models.read"),
    (r"(POST|PUT|DELETE) /api/(models|llm)/.*", "models.manage"),
    # How it is.
    (r"GET /(status|metrics|openapi\.json|api/metrics)", "status.read"),
    (r"GET /api/jobs(/.*)?", "status.read"),
    (r"DELETE /api/jobs/.*", "models.manage"),
    (r"WS /ws/events", "events.read"),
    # The house itself.
    (r"GET /api/config", "config.read"),
    (r"PATCH /api/config", "config.write"),
    (r"POST /api/stop", "daemon.control"),
    # It opens a microphone in somebody's room.
    (r"POST /api/listen(/end)?", "daemon.control"),
    # It speaks in somebody's room, and leaves its line in the audit log.
    (r"POST /api/say", "audio"),
    (r"(GET|POST) /api/privacy", "daemon.control"),
    (r"(GET|POST) /api/auth/(me|logout|ticket)", "chat"),
    (r"(GET|POST|DELETE) /api/keys(/.*)?", "keys.own"),
    (r"(GET|POST|PATCH|DELETE) /api/users(/.*)?", "users.manage"),
    (r"GET /api/audit(/verify)?", "audit.read"),
]
"""Routes by method and path as the table writes them, and the scope each needs; the first that matches counts. A new
route fails the matrix until it is written here by somebody who has thought about it."""


def needed(method: str, path: str) -> str | None:
    """The scope; None: public. Raises LookupError for what nobody has thought about."""
    name = f"{method} {path}"
    if name in PUBLIC | STATIC:
        return None
    for pattern, scope in NEEDS:
        if re.fullmatch(pattern, name):
            return scope
    raise LookupError(f"{name} is in no line of tests/authorisation.py")


def expected(
    method: str, path: str, *, worth: bool, may: set[str], carrier: str, host: str, origin: str
) -> tuple[int, str]:
    """Status and code of what comes back; 200 and `in`: the room is reached. A WebSocket that was open when its caller
    became known is closed with 4000 and the status.

    `worth`: the credential is somebody's; `may`: the scopes it has.
    """
    if host != "good":
        return 421, "api.wrong_host"
    if origin in {"foreign", "null"}:
        return 403, "api.foreign_origin"
    changes = method not in {"GET", "HEAD", "OPTIONS", "TRACE"}
    scope = needed(method, path)
    if scope is None:
        if carrier == "cookie" and changes and origin == "none":
            return 403, "api.origin_missing"
        return 200, "in"
    late = 4000 if carrier in {"first frame", "query", "none"} and method == "WS" else 0
    if not worth or carrier in {"query", "none"}:
        return late + 401, "api.unauthorized"
    if carrier == "cookie" and changes and origin == "none":
        return 403, "api.origin_missing"
    if scope not in may:
        return late + 403, "api.forbidden"
    return 200, "in"
