"""The voice page: what a browser needs before it is anybody; all that it shows it asks for."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Annotated

from fastapi import Header, Path
from starlette.responses import Response

from services.api.documented import NO_NUL
from services.api.doors import Doors
from services.api.pages.files import is_known, read
from services.api.policy import Policy
from solo.errors import SoloError

router = Doors(tags=["pages"])
VOICE = read(FilePath(__file__).parents[1] / "pages" / "voice")
PAGE = "index.html"
_POLICY = Policy(None, rate="cheap", body=0, static=True)
HEADERS = {
    "cache-control": "no-cache",
    "content-security-policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    ),
    "permissions-policy": "microphone=(self), camera=(), geolocation=(), display-capture=(), usb=(), payment=()",
    "cross-origin-opener-policy": "same-origin",
}
"""`no-cache`: kept by the browser, and asked for each time whether it is still the same (ETag)."""

IfNoneMatch = Annotated[str | None, Header(max_length=4096, include_in_schema=False)]


class NoSuchFile(SoloError):
    """The page has no file of this name."""

    code = "api.no_such_file"


@router.door(
    "GET",
    "/voice",
    policy=_POLICY,
    summary="The voice page",
    response_class=Response,
    responses={200: {"content": {"text/html": {"schema": {"type": "string"}, "example": "<!doctype html>..."}}}},
)
async def page(if_none_match: IfNoneMatch = None) -> Response:
    """For a browser. Whoever is not logged in finds the way to do so there; `solo voice` opens it logged in."""
    return _answer(PAGE, if_none_match)


@router.door(
    "GET",
    "/voice/{file:path}",
    policy=_POLICY,
    summary="The voice page's scripts and styles",
    response_class=Response,
    responses={200: {"content": {"text/javascript": {"schema": {"type": "string"}, "example": "export ..."}}}},
)
async def file(
    file: Annotated[
        str, Path(max_length=100, pattern=NO_NUL, description="One of the page's files.", examples=["main.js"])
    ],
    if_none_match: IfNoneMatch = None,
) -> Response:
    return _answer(file, if_none_match)


def _answer(name: str, if_none_match: str | None) -> Response:
    found = VOICE.get(name)
    if found is None:
        raise NoSuchFile(f"the page has no file {name!r}")
    headers = {**HEADERS, "etag": found.etag}
    if is_known(found.etag, if_none_match):
        return Response(status_code=304, headers=headers)
    return Response(found.content, media_type=found.media_type, headers=headers)
