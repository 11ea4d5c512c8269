"""Who uses Solo, and as whom: settings, tables, and how the service is made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from services.security.audit.journal import Journal
from services.security.audit.store import AuditStore
from services.security.delays import Delays
from services.security.keys import Keys
from services.security.logins import LogIns
from services.security.passwords import Passwords
from services.security.people import People
from services.security.service import ANSWERS, SecurityService
from services.security.state import Security
from services.security.store import SecurityStore
from services.security.tickets import PAGE_LIVES_S, Tickets
from services.security.tokens import PAGE_MARK, AccessTokens, signing_secret
from solo.parts import Part
from solo.settings import MachineSettings
from solo.state_dir import StateDir
from solo.storage import Database, Schema
from solo.supervision import ServiceSpec

USERS = Schema("users", Path(__file__).parent / "migrations" / "users")


class SecuritySettings(BaseModel):
    """The audit log has no setting: it is kept for ever, since each row proves those before it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    access_minutes: int = Field(default=10, ge=1, le=60)
    """Minutes that an access token lives; disabling somebody does not wait for it."""
    refresh_days: int = Field(default=30, ge=1, le=365)
    """Days without a refresh after which a person has to log in again."""
    password_min: int = Field(default=12, ge=8, le=128)
    """Characters that a password has at least."""


def specs(settings: SecuritySettings, machine: MachineSettings, database: Database) -> Sequence[ServiceSpec]:
    owner_key = StateDir(machine.state_dir).owner_key(create=True)
    assert owner_key is not None
    audit = AuditStore(database, machine.state_dir)
    security = Security(SecurityStore(database), Journal(audit))
    tokens = AccessTokens(signing_secret(machine.state_dir), lives_s=settings.access_minutes * 60.0)
    # All of these outlive a crash of the service: nobody is logged out by it, and no guesser gets fresh tries.
    passwords, delays, tickets, keys = Passwords(), Delays(), Tickets(), Keys(security)
    pages = Tickets(PAGE_MARK, PAGE_LIVES_S)
    logins = LogIns(security, passwords, delays, tokens, pages, refresh_s=settings.refresh_days * 86400.0)
    people = People(security, passwords, least=settings.password_min)

    def make() -> SecurityService:
        return SecurityService(
            security, audit, passwords, tokens, tickets, pages, logins, people, keys, owner_key.encode()
        )

    return [ServiceSpec(name="security", make=make, drain_within=8, answers=ANSWERS)]


def tables(_: SecuritySettings) -> Sequence[Schema]:
    return (USERS,)


PART = Part(name="security", settings=SecuritySettings, specs=specs, tables=tables)
