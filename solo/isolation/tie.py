"""`python -m solo.isolation.tie <parent pid> command...`: becomes the command, to die with the parent."""

from __future__ import annotations

import os
import sys

from solo.isolation import confine


def main() -> None:
    confine.die_with(int(sys.argv[1]))
    confine.yield_to_daemon()
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606  # the kernel keeps the request over exec


if __name__ == "__main__":
    main()
