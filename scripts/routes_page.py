"""The page `docs/routes.md`: every route, and what it asks of its caller, from the table that the guard goes by."""

from __future__ import annotations

from pathlib import Path

from services.api.http import ROUTES
from services.api.policy import SOCKET, Row
from services.messages.security import ROLE_SCOPES

FILE = Path(__file__).resolve().parents[1] / "docs" / "routes.md"
HEAD = """\
# Table of routes

Every route of the door with its policy: the guard answers from this very table, and a route without a line in it
cannot be declared. *Scope* is what the caller must be allowed, *owner* whose objects are touched (profile: only the
caller's own, all others are as if they were not there; self: own keys and sessions), *rate* the class of its limit,
*body* the most that a body, or one message of a WebSocket, may have. Calls marked *audited* are written into the audit
log even when allowed; denials always are. What each answers: [api.md](api.md); why so: [security.md](security.md).

Made by `scripts/reference.py` (`make docs`); do not edit.
"""
_KIB = 1024
_ORDER = (SOCKET, "GET", "POST", "PUT", "PATCH", "DELETE")


def page() -> str:
    lines = [HEAD, "| route | scope | owner | rate | body | | |", "|---|---|---|---|---|---|---|"]
    rows = sorted(rows_of_all(), key=lambda row: (row.path, _ORDER.index(row.method)))
    lines += [_line(row) for row in rows]
    lines += ["", "## Roles", "", "| scope | " + " | ".join(ROLE_SCOPES) + " |", "|---" * (len(ROLE_SCOPES) + 1) + "|"]
    for scope in sorted(ROLE_SCOPES["admin"]):
        may = " | ".join("yes" if scope in scopes else "" for scopes in ROLE_SCOPES.values())
        lines.append(f"| `{scope}` | {may} |")
    return "\n".join(lines) + "\n"


def rows_of_all() -> list[Row]:
    return [row for routes in ROUTES for row in routes.router.rows]


def _line(row: Row) -> str:
    policy = row.policy
    scope = f"`{policy.scope}`" if policy.scope else "public"
    owner = "" if policy.owner == "none" else policy.owner
    body = f"{policy.body // _KIB} KiB" if policy.body < _KIB * _KIB else f"{policy.body // _KIB // _KIB} MiB"
    audited = "audited" if policy.audit else ""
    path = row.path.replace(":path}", "}")
    return f"| `{row.method} {path}` | {scope} | {owner} | {policy.rate} | {body} | {audited} | {row.summary} |"
