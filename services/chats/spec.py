"""Chats: their tables and how the service is made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from services.chats.service import Backlog, ChatsService
from services.messages.chats import ForgetChat, ListChats, LoadTalk, ReadChat, StoreExchange
from solo.parts import Part
from solo.settings import MachineSettings
from solo.storage import Database, Schema
from solo.supervision import ServiceSpec

_MIGRATIONS = Path(__file__).with_name("migrations")


def specs(settings: None, machine: MachineSettings, database: Database) -> Sequence[ServiceSpec]:
    backlog = Backlog()
    return [
        ServiceSpec(
            name="chats",
            make=lambda: ChatsService(database, backlog),
            answers=(StoreExchange, LoadTalk, ListChats, ReadChat, ForgetChat),
        )
    ]


PART = Part(name="chats", settings=None, specs=specs, tables=lambda _: (Schema("chats", _MIGRATIONS / "chats"),))
