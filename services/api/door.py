"""The listening socket: opened once, so that callers wait in its queue while the service restarts."""

from __future__ import annotations

import errno
import socket
import sys

from solo.errors import SoloError

HOST = "127.0.0.1"
_QUEUE = 512


class PortBusy(SoloError):
    """The port is taken."""

    code = "api.port_busy"


class PortForbidden(SoloError):
    """The port may not be used."""

    code = "api.port_forbidden"


def open_door(port: int) -> socket.socket:
    """Listen on loopback; port 0 takes a free one. Raises PortBusy or PortForbidden."""
    hint = "Choose another with --port or SOLO_PORT."
    door = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if sys.platform != "win32":  # there it would let two programs share the port
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind((HOST, port))
        door.listen(_QUEUE)
    except OSError as error:
        door.close()
        if error.errno == errno.EADDRINUSE:
            raise PortBusy(f"port {port} is used by another program", hint=hint) from error
        raise PortForbidden(f"port {port} cannot be used: {error.strerror}", hint=hint) from error
    door.set_inheritable(False)
    return door
