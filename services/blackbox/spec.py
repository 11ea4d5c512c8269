"""The black box and the watch over the turns: settings and how they are made."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from services.blackbox.invariants import Watch
from services.blackbox.monitor import InvariantsService, Tally
from services.blackbox.service import BlackBoxService, Counts
from services.blackbox.shelf import Limits, Shelf
from services.messages.blackbox import DescribeKeptTurn, FetchKeptTurn, ForgetKeptTurns, ListKeptTurns
from services.messages.invariants import DescribeInvariants
from solo.parts import Part
from solo.settings import MachineSettings
from solo.storage import Database
from solo.supervision import ServiceSpec


class BlackBoxSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    turns: int = Field(default=20, ge=0, le=10_000)
    """How many turns are kept whole, sound included, in the state directory; 0: none."""
    size_mb: int = Field(default=128, ge=1, le=100_000)
    """What they may take of the disk all together; the oldest goes first."""
    keep_h: float = Field(default=24.0, gt=0, le=24 * 365)
    """Hours after which one is deleted."""


def specs(settings: BlackBoxSettings, machine: MachineSettings, _: Database) -> Sequence[ServiceSpec]:
    limits = Limits(settings.turns, settings.size_mb * 1024 * 1024, settings.keep_h * 3600)
    shelf = Shelf(machine.state_dir, limits)
    counts, tally = Counts(), Tally()
    return [
        ServiceSpec(
            name="blackbox",
            make=lambda: BlackBoxService(shelf, counts),
            answers=(ListKeptTurns, DescribeKeptTurn, FetchKeptTurn, ForgetKeptTurns),
        ),
        ServiceSpec(name="invariants", make=lambda: InvariantsService(Watch(), tally), answers=(DescribeInvariants,)),
    ]


PART = Part(name="blackbox", settings=BlackBoxSettings, specs=specs)
