"""The road between services: typed messages, published, subscribed to, asked and streamed."""

from solo.bus.bus import Bus, BusStatistics
from solo.bus.context import in_turn, remaining, undated
from solo.bus.errors import (
    Busy,
    DeadlineExceeded,
    DuplicateHandler,
    HandlerCrashed,
    HandlerStopped,
    NoHandler,
    SlowSubscriber,
)
from solo.bus.mailbox import Mailbox, MailboxStatistics, Overflow
from solo.bus.message import Event, Message, Request, StreamRequest

__all__ = [
    "Bus",
    "BusStatistics",
    "Busy",
    "DeadlineExceeded",
    "DuplicateHandler",
    "Event",
    "HandlerCrashed",
    "HandlerStopped",
    "Mailbox",
    "MailboxStatistics",
    "Message",
    "NoHandler",
    "Overflow",
    "Request",
    "SlowSubscriber",
    "StreamRequest",
    "in_turn",
    "remaining",
    "undated",
]
