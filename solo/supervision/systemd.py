"""Tells systemd how we are (sd_notify): ready, alive, stopping. Does nothing elsewhere."""

from __future__ import annotations

import os
import socket


class Notifier:
    """Protocol: datagrams to the socket in NOTIFY_SOCKET (sd_notify(3))."""

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")  # noqa: TID251  # set by systemd, not a setting
        usec = os.environ.get("WATCHDOG_USEC", "")  # noqa: TID251
        self.watchdog_every_s = int(usec) / 2e6 if usec.isdigit() else None
        """Seconds between two `alive`: half of what the unit's WatchdogSec allows."""

    def ready(self) -> None:
        self._say("READY=1")

    def alive(self) -> None:
        self._say("WATCHDOG=1")

    def stopping(self) -> None:
        self._say("STOPPING=1")

    def _say(self, text: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
            door.setblocking(False)
            try:
                door.sendto(text.encode(), address)
            except OSError:
                return  # systemd restarts us if it minds
