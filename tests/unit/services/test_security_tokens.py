"""Access tokens: every forgery, and every one from another time, is worth nothing."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import jwt
import pytest

from services.messages.security import OWNER_PRINCIPAL
from services.security.errors import Unauthorized
from services.security.tickets import LIVES_S, MOST, Tickets
from services.security.tokens import AccessTokens, new_key, prefix_of, signing_secret
from solo.state_dir import StateDirUnusable

NOW = 1_800_000_000
SECRET = bytes(range(32))
GOOD = {
    "iss": "solo", "aud": "solo", "typ": "access", "sub": "u", "sid": "s", "jti": "j",
    "iat": NOW, "nbf": NOW, "exp": NOW + 600,
}  # fmt: skip


def tokens(now: float = NOW, secret: bytes = SECRET) -> AccessTokens:
    return AccessTokens(secret, lives_s=600, wall=lambda: now)


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def signed(header: dict[str, Any], claims: Any, key: bytes = SECRET, digest: str = "sha256") -> str:
    text = f"{part(header)}.{part(claims)}"
    signature = base64.urlsafe_b64encode(hmac.new(key, text.encode(), digest).digest()).rstrip(b"=").decode()
    return f"{text}.{signature}"


HS256 = {"alg": "HS256", "typ": "JWT"}


def test_one_of_ours_is_read() -> None:
    access = tokens().read(tokens().make("u", "s"))
    assert (access.user, access.session, access.expires_at) == ("u", "s", NOW + 600)
    assert tokens().read(signed(HS256, GOOD)) == access
    assert tokens().make("u", "s") != tokens().make("u", "s")


FORGED = {
    "alg none": f"{part({'alg': 'none'})}.{part(GOOD)}.",
    "alg None": f"{part({'alg': 'None'})}.{part(GOOD)}.",
    "alg none with a signature": signed({"alg": "none"}, GOOD),
    "no alg": signed({"typ": "JWT"}, GOOD),
    "RS256 with our secret": signed({"alg": "RS256"}, GOOD),
    "HS512 with our secret": signed({"alg": "HS512"}, GOOD, digest="sha512"),
    "signed with nothing": signed(HS256, GOOD, b""),
    "signed with another secret": signed(HS256, GOOD, bytes(32)),
    "kid of a known file": signed({**HS256, "kid": "../../../dev/null"}, GOOD, b""),
    "kid of SQL": signed({**HS256, "kid": "x' UNION SELECT 'y"}, GOOD, b"y"),
    "jwk of its own": signed({**HS256, "jwk": {"kty": "oct", "k": ""}}, GOOD, b""),
    "jku of its own": signed({**HS256, "jku": "http://127.0.0.1/keys"}, GOOD, b""),
    "crit unknown": signed({**HS256, "crit": ["x"], "x": 1}, GOOD),
    "another's aud": signed(HS256, {**GOOD, "aud": "another"}),
    "aud among others": signed(HS256, {**GOOD, "aud": ["solo", "another"]}),
    "another's iss": signed(HS256, {**GOOD, "iss": "another"}),
    "typ refresh": signed(HS256, {**GOOD, "typ": "refresh"}),
    "sub a number": signed(HS256, {**GOOD, "sub": 1}),
    "sid a list": signed(HS256, {**GOOD, "sid": ["s"]}),
    "expired": signed(HS256, {**GOOD, "exp": NOW}),
    "expired a second ago": signed(HS256, {**GOOD, "exp": NOW - 1}),
    "exp a text": signed(HS256, {**GOOD, "exp": "never"}),
    "exp a truth": signed(HS256, {**GOOD, "exp": True}),
    "exp infinite": signed(HS256, {**GOOD, "exp": float("inf")}),
    "exp no number": signed(HS256, {**GOOD, "exp": float("nan")}),
    "from the future": signed(HS256, {**GOOD, "nbf": NOW + 61}),
    "signature cut": signed(HS256, GOOD)[:-1],
    "claims a list": signed(HS256, [GOOD]),
    "claims nothing": signed(HS256, None),
    "empty": "",
    "dots": "..",
    "four parts": signed(HS256, GOOD) + ".x",
    "not base64": "é.ü.ß",
    "half a character": "\ud800.\ud800.\ud800",
    "NUL": "\0.\0.\0",
    "deep header": base64.urlsafe_b64encode(b"[" * 1500).decode() + ".e30.x",
    "deep header object": base64.urlsafe_b64encode(b'{"a":' * 300).decode() + ".e30.x",
    **{f"no {name}": signed(HS256, {key: GOOD[key] for key in GOOD if key != name}) for name in GOOD if name != "iat"},
}


@pytest.mark.parametrize("forged", FORGED)
def test_a_forged_one_is_worth_nothing(forged: str) -> None:
    with pytest.raises(Unauthorized) as failure:
        tokens().read(FORGED[forged])
    assert failure.value.message == Unauthorized().message  # alike for all


def test_rs256_with_a_key_pair_of_its_own(tmp_path: Path) -> None:
    """PyJWT would check it, if it was asked to: the list of algorithms is what keeps it out."""
    assert "HS256" in jwt.algorithms.get_default_algorithms()
    public = b"-----BEGIN PUBLIC KEY-----\nMFww\n-----END PUBLIC KEY-----\n"
    for key in (public, hashlib.sha256(public).digest()):
        with pytest.raises(Unauthorized):
            tokens().read(signed({"alg": "RS256", "typ": "JWT"}, GOOD, key))
        with pytest.raises(Unauthorized):
            tokens().read(signed(HS256, GOOD, key))


def test_time() -> None:
    token = tokens().make("u", "s")
    for now, holds in ((NOW - 61, False), (NOW - 60, True), (NOW, True), (NOW + 599.9, True), (NOW + 600, False)):
        if holds:
            assert tokens(now).read(token).session == "s"
        else:
            with pytest.raises(Unauthorized):
                tokens(now).read(token)


class TestSecret:
    def test_it_is_made_once_and_is_nobody_elses(self, tmp_path: Path) -> None:
        made = signing_secret(tmp_path)
        assert len(made) == 32 and signing_secret(tmp_path) == made
        assert signing_secret(tmp_path / ".") == made
        assert (tmp_path / "session.secret").stat().st_mode & 0o777 == 0o600

    def test_one_that_is_too_short_is_made_anew(self, tmp_path: Path) -> None:
        (tmp_path / "session.secret").write_text("YQ==\n")
        assert len(signing_secret(tmp_path)) == 32

    def test_one_that_is_none_is_said(self, tmp_path: Path) -> None:
        (tmp_path / "session.secret").write_text("%%%")
        with pytest.raises(StateDirUnusable):
            signing_secret(tmp_path)


def test_keys_are_long_and_differ() -> None:
    prefix, key = new_key()
    assert key.startswith(prefix + "_") and prefix_of(key) == prefix and len(key) == 13 + 1 + 43
    assert len({new_key()[1] for _ in range(100)}) == 100


@pytest.mark.virtual_time
class TestTickets:
    async def test_once_and_not_for_long(self) -> None:
        import asyncio

        tickets = Tickets()
        ticket, late = tickets.make(OWNER_PRINCIPAL), tickets.make(OWNER_PRINCIPAL)
        await asyncio.sleep(LIVES_S - 0.1)
        assert tickets.redeem(ticket) == OWNER_PRINCIPAL
        await asyncio.sleep(0.2)
        for worthless in (ticket, late, "ticket_", ""):
            with pytest.raises(Unauthorized):
                tickets.redeem(worthless)

    async def test_no_more_than_so_many(self) -> None:
        tickets = Tickets()
        made = [tickets.make(OWNER_PRINCIPAL) for _ in range(MOST + 1)]
        with pytest.raises(Unauthorized):
            tickets.redeem(made[0])
        assert tickets.redeem(made[1]) == tickets.redeem(made[-1]) == OWNER_PRINCIPAL
