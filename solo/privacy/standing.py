"""What the settings of the machine allow, and how the guard stands, for the snapshot of the daemon."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

from solo.egress import GUARD, Endpoint
from solo.egress.guard import Refused
from solo.settings import MachineSettings
from solo.storage.address import Address, AddressInvalid
from solo.supervision.messages import OutboundRefused
from solo.supervision.state import AllowedState, EgressState, RefusedState

MOST_SHOWN = 20
"""Hosts in the snapshot."""
OWN = "SOLO_EGRESS__ALLOW"


def configured(machine: MachineSettings) -> Iterator[Endpoint]:
    """Endpoints that the settings of the machine name. Raises `EndpointInvalid`."""
    for text in machine.egress.allow:
        yield Endpoint.parse(text, OWN)
    url = machine.database.url
    if url is None:
        return
    with suppress(AddressInvalid):  # the database's service says so better
        address = Address.from_url(url.get_secret_value())
        if not address.is_near:
            host = f"[{address.host}]" if ":" in address.host else address.host
            yield Endpoint.parse(f"{host}:{address.port}", "the database (SOLO_DATABASE__URL)")


def state() -> EgressState:
    return EgressState(
        enforced=GUARD.enforcing,
        refused=GUARD.total,
        hosts=tuple(
            RefusedState(
                host=each.host,
                port=each.port,
                kind=each.kind,
                by=each.by,
                count=each.count,
                at=datetime.fromtimestamp(each.at, UTC).isoformat(),
            )
            for each in GUARD.refused()[:MOST_SHOWN]
        ),
        allowed=tuple(AllowedState(endpoint=str(each), why=each.why) for each in GUARD.allowed()),
    )


def told(refused: Refused) -> OutboundRefused:
    return OutboundRefused(host=refused.host, port=refused.port, kind=refused.kind, by=refused.by, count=refused.count)
