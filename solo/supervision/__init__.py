"""The keeper: starts services, watches them, restarts what crashes, drains in reverse order."""

from solo.supervision.messages import Describe, ServiceStateChanged, StopRequested
from solo.supervision.service import Context, Service
from solo.supervision.spec import Intensity, Restart, ServiceSpec
from solo.supervision.state import EngineState, Failure, ServiceState, State, SystemState
from solo.supervision.supervisor import RestartLimitReached, Supervisor

__all__ = [
    "Context",
    "Describe",
    "EngineState",
    "Failure",
    "Intensity",
    "Restart",
    "RestartLimitReached",
    "Service",
    "ServiceSpec",
    "ServiceState",
    "ServiceStateChanged",
    "State",
    "StopRequested",
    "Supervisor",
    "SystemState",
]
