"""Where a Wyoming peer is: `tcp://host:port`, `wyoming://host:port`, or `host:port`."""

from __future__ import annotations

from dataclasses import dataclass

from solo.egress import Endpoint, EndpointInvalid

_SCHEMES = ("tcp://", "wyoming://")


@dataclass(frozen=True, slots=True)
class Place:
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Place:
        """Raises ValueError, as settings want it."""
        plain = text.strip()
        for scheme in _SCHEMES:
            plain = plain.removeprefix(scheme)
        plain = plain.rstrip("/")
        try:
            endpoint = Endpoint.parse(plain, "a Wyoming peer")
        except EndpointInvalid as error:
            raise ValueError(f"{error.message}: write it as tcp://host:port") from None
        if endpoint.port is None or "/" in endpoint.host:
            raise ValueError(f"{text[:100]} names no port: write it as tcp://host:port")
        return cls(endpoint.host, endpoint.port)

    def endpoint(self, why: str) -> Endpoint:
        """What the guard of outbound connections has to let through."""
        return Endpoint.parse(str(self), why)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
