"""Outbound connections: refused by the process itself, except to loopback and to endpoints that were configured."""

from solo.egress.endpoint import Endpoint, EndpointInvalid
from solo.egress.guard import GUARD, EgressRefused, Guard, Refused
from solo.egress.install import enforced
from solo.egress.loops import guarded, loop_factory

__all__ = [
    "GUARD",
    "EgressRefused",
    "Endpoint",
    "EndpointInvalid",
    "Guard",
    "Refused",
    "enforced",
    "guarded",
    "loop_factory",
]
