"""A daemon whose door has the routes of sound, whether or not its table names them yet."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from solo.parts import Tree

STATUS = {"codec.unreadable": 400, "codec.too_long": 400, "codec.session_lost": 503}


def tree(flags: Mapping[str, Any]) -> Tree:
    import services.app

    register()
    return services.app.tree(flags)


def register() -> None:
    from services.api import http
    from services.api.routes import v1_audio

    http.STATUS.update(STATUS)
    if not any(row.path.startswith("/v1/audio/") for routes in http.ROUTES for row in routes.router.rows):
        setattr(http, "ROUTES", (v1_audio, *http.ROUTES))  # noqa: B010  # a longer tuple than its type says


def main() -> None:
    from solo.cli.run import run

    sys.exit(run(f"{__spec__.name}:tree", audio="none", port=None, self_test=False, dashboard=False))


if __name__ == "__main__":
    main()
