"""The HTTP door: settings and how it is made."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field, field_validator

from services.api.door import LOOPBACK, open_door
from services.api.figures import Traffic
from services.api.guards.hosts import Hosts, Proxies
from services.api.guards.limits import Rates
from services.api.recent import RecentTurns
from services.api.service import APIService, Rules
from solo.parts import Part
from solo.settings import MachineSettings
from solo.state_dir import StateDir
from solo.storage import Database
from solo.supervision import ServiceSpec


class APISettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    bind: str = LOOPBACK
    """IP address to listen on; another than loopback is refused unless `hosts` says how the daemon is addressed."""
    hosts: tuple[str, ...] = ()
    """Host names, with a port or without, that requests may name besides this machine's loopback names."""
    origins: tuple[str, ...] = ()
    """Origins of web pages that may use Solo besides its own, with a key of theirs, such as https://chat.example."""
    proxies: tuple[str, ...] = ()
    """Addresses or networks of reverse proxies, whose X-Forwarded-For is believed."""
    usual_per_minute: int = Field(default=600, ge=1)
    """Ordinary requests of one user or key; the owner's key may ten times as many, here and in the next two."""
    cheap_per_minute: int = Field(default=6000, ge=1)
    """Requests that only look at what is known."""
    costly_per_minute: int = Field(default=300, ge=1)
    """Requests that let engines work."""
    login_per_minute: int = Field(default=30, ge=1)
    """Attempts to log in from one address."""
    failures_per_minute: int = Field(default=120, ge=1)
    """Keys and tokens worth nothing that one address may offer before those that are not known yet have to wait."""
    connections: int = Field(default=2048, ge=16)
    """Most connections at a time, WebSockets among them."""
    connections_per_address: int = Field(default=256, ge=1)
    """Most connections at a time from one address other than loopback."""

    @field_validator("bind")
    @classmethod
    def _is_address(cls, bind: str) -> str:
        return str(ipaddress.ip_address(bind))

    @field_validator("proxies")
    @classmethod
    def _are_networks(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            ipaddress.ip_network(proxy, strict=False)
        return proxies


def specs(settings: APISettings, machine: MachineSettings, _: Database) -> Sequence[ServiceSpec]:
    home = StateDir(machine.state_dir)
    key = home.owner_key(create=True)
    assert key is not None
    door = open_door(machine.port, settings.bind, addressed=bool(settings.hosts))
    port = door.getsockname()[1]
    home.announce(port)
    recent, traffic = RecentTurns(), Traffic()
    rules = Rules(
        Hosts(port, settings.hosts, settings.origins),
        settings.origins,
        Proxies(settings.proxies),
        Rates(
            usual=settings.usual_per_minute,
            cheap=settings.cheap_per_minute,
            costly=settings.costly_per_minute,
            login=settings.login_per_minute,
            failures=settings.failures_per_minute,
        ),
        settings.connections,
        settings.connections_per_address,
    )
    return [
        ServiceSpec(
            name="api",
            make=lambda: APIService(door, key, recent, machine.drain_s, rules, traffic),
            drain_within=machine.drain_s,
            essential=True,
        )
    ]


PART = Part(name="api", settings=APISettings, specs=specs)
