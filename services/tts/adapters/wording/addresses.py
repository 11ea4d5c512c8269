"""Addresses and numbers to dial, as people read them out."""

from __future__ import annotations

import re

from services.tts.adapters.wording.numerals import Numerals
from services.tts.adapters.wording.tongues import Tongue

_URL = re.compile(
    r"\b(?:https?|ftp)://(?:www\.)?([^\s/?#<>\"']+)[^\s<>\"']*?(?=[.,;:!?)\]]*(?:\s|$))|\bwww\.([^\s/?#<>\"']+)", re.I
)
_MAIL = re.compile(r"(?<![\w.+-])(?:mailto:)?([\w+-]+(?:\.[\w+-]+){0,5})@([\w-]+(?:\.[\w-]+){1,5})")
_HOST = re.compile(
    r"(?<![\w.@/])((?:[a-z0-9-]{1,63}\.){1,4}(?:com|org|net|io|dev|de|fr|es|uk|eu|edu|gov|app|ai|local))\b(?![.\w])",
    re.I,
)
_IP = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.]*\d)")
_DIALLED = re.compile(
    r"(?<![\w.,/-])\+?(?:\d{1,4}[ .-]?)?(?:\(\d{1,5}\)[ -]?)?\d{2,5}(?:[ .-]\d{2,5}){0,5}(?![\w%]|[.,]\d)"
)
_AMERICAN = re.compile(r"(?:1[ .-])?\d{3}([.-])\d{3}\1\d{4}|\(\d{3}\) ?\d{3}[ -]\d{4}")
_CALLED = re.compile(r"(?:\bcall|\bphone|\btel|\bdial|\bfax|\bring|\bnumber is)\W{0,3}$", re.I)


def addresses(text: str, tongue: Tongue) -> str:
    """Web and mail addresses: of the former the host alone, since nobody wants to hear the rest."""
    text = _URL.sub(lambda found: _host(found[1] or found[2], tongue), text)
    text = _MAIL.sub(lambda found: f"{_dotted(found[1], tongue)} {tongue.at} {_dotted(found[2], tongue)}", text)
    return _HOST.sub(lambda found: _dotted(found[1], tongue), text)


def dialled(text: str, tongue: Tongue, numerals: Numerals) -> str:
    """Telephone numbers and addresses of machines, digit by digit."""

    def machine(found: re.Match[str]) -> str:
        return f" {tongue.dot} ".join(map(numerals.digits, found[0].split(".")))

    def number(found: re.Match[str]) -> str:
        written = found[0]
        groups = re.findall(r"\d+", written)
        digits = sum(map(len, groups))
        plain = written[0] in "+(" or (written[0] == "0" and len(groups) > 1 and "." not in written)
        called = _CALLED.search(text, max(0, found.start() - 20), found.start()) is not None
        if not 7 <= digits <= 15 or not (plain or called or _AMERICAN.fullmatch(written)):
            return written
        plus = "plus " if written[0] == "+" else ""
        return plus + ", ".join(map(numerals.digits, groups))

    return _DIALLED.sub(number, _IP.sub(machine, text))


def _host(host: str, tongue: Tongue) -> str:
    name = host.rpartition("@")[2].rstrip(".,;!?)]")
    name = re.sub(r":\d+$", "", name)
    return name if _IP.fullmatch(name) else _dotted(name, tongue)


def _dotted(name: str, tongue: Tongue) -> str:
    return f" {tongue.dot} ".join(part for part in name.split(".") if part)
