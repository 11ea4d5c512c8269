"""The listening socket: opened once, so that callers wait in its queue while the service restarts."""

from __future__ import annotations

import errno
import ipaddress
import socket
import sys

from solo.errors import SoloError

LOOPBACK = "127.0.0.1"
_QUEUE = 512
UNREAD_MS = 60_000
"""How long what was sent may stay unacknowledged (tcp(7))."""


class PortBusy(SoloError):
    """The port is taken."""

    code = "api.port_busy"


class PortForbidden(SoloError):
    """The port may not be used."""

    code = "api.port_forbidden"


class PublicBind(SoloError):
    """Solo would be reachable from outside of this machine by names that nobody gave it."""

    code = "api.public_bind"


def open_door(port: int, bind: str = LOOPBACK, *, addressed: bool = False) -> socket.socket:
    """Listen on the IP address `bind`; port 0 takes a free one. `addressed`: the hosts it is addressed as are named.

    Raises PublicBind, PortBusy or PortForbidden.
    """
    address = ipaddress.ip_address(bind)
    if not address.is_loopback and not addressed:
        raise PublicBind(
            f"{bind} is not this machine's loopback",
            hint="Name the hosts it is addressed as in SOLO_API__HOSTS; keys are asked for in any case.",
        )
    hint = "Choose another with --port or SOLO_PORT."
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    # By its number: asyncio sets TCP_NODELAY only where the socket says that it is TCP, and a head and a body that are
    # sent one after the other wait 40 ms for each other without it.
    door = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if sys.platform != "win32":  # there it would let two programs share the port
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # A connection that is closed while its client reads nothing would otherwise stay for ever.
        door.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_MS)
    try:
        door.bind((bind, port))
        door.listen(_QUEUE)
    except OSError as error:
        door.close()
        if error.errno == errno.EADDRINUSE:
            raise PortBusy(f"port {port} is used by another program", hint=hint) from error
        raise PortForbidden(f"port {port} of {bind} cannot be used: {error.strerror}", hint=hint) from error
    door.set_inheritable(False)
    return door
