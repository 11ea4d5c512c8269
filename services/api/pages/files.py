"""The files of a page: read once, found by name alone, so that no path is ever made of what was asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""What is served; other files of the folder are not."""


@dataclass(frozen=True, slots=True)
class PageFile:
    content: bytes
    media_type: str
    etag: str
    """Of its content, in quotation marks."""


def read(folder: Path) -> Mapping[str, PageFile]:
    """By name as an address writes it, such as `sound/mouth.js`. A link that leads out of the folder is left out."""
    root = folder.resolve()
    found = {}
    for path in sorted(root.rglob("*")):
        kind = TYPES.get(path.suffix)
        if kind is None or not path.is_file() or not path.resolve().is_relative_to(root):
            continue
        content = path.read_bytes()
        etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        found[path.relative_to(root).as_posix()] = PageFile(content, kind, etag)
    return found


def is_known(etag: str, if_none_match: str | None) -> bool:
    """Has the browser this one already? (RFC 9110 section 13.1.2: compared weakly.)"""
    if if_none_match is None:
        return False
    named = {part.strip().removeprefix("W/") for part in if_none_match.split(",")}
    return etag in named or "*" in named
