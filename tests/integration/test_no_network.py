"""A child without a network: by a namespace, or, where the system allows none, by a filter of system calls."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="namespaces and filters are Linux's")

CHILD = """
import ctypes, json, socket, sys
from solo.isolation import confine
class Refusing:
    def __init__(self, libc): self.libc = libc
    def unshare(self, *_): return -1
    def __getattr__(self, name): return getattr(self.libc, name)
if sys.argv[1] == "filter":
    usual = ctypes.CDLL
    confine.ctypes.CDLL = lambda *a, **k: Refusing(usual(*a, **k))
told = {"dropped": confine.drop_network()}
for family in ("AF_INET", "AF_INET6", "AF_UNIX"):
    try:
        with socket.socket(getattr(socket, family), socket.SOCK_DGRAM) as door:
            if family == "AF_INET":
                door.sendto(b"", ("192.0.2.1", 9))
        told[family] = 0
    except OSError as error:
        told[family] = error.errno
print(json.dumps(told))
"""


def _told(way: str) -> dict[str, Any]:
    line = [sys.executable, "-c", CHILD, way]
    done = subprocess.run(line, capture_output=True, text=True, timeout=30, check=True)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_by_a_namespace() -> None:
    told = _told("namespace")
    if told["AF_INET"] == 13:
        pytest.skip("this system allows no network namespaces; the filter took their place")
    assert told["dropped"] and told["AF_INET"] == 101 and told["AF_UNIX"] == 0


def test_by_a_filter() -> None:
    told = _told("filter")
    if not told["dropped"]:
        pytest.skip("this kernel or processor has no such filter here")
    assert (told["AF_INET"], told["AF_INET6"], told["AF_UNIX"]) == (13, 13, 0)
