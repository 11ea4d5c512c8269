"""`python -m solo.isolation.tie PARENT same|unroot shared|alone COMMAND...`: becomes it, to die with the parent."""

from __future__ import annotations

import os
import sys

from solo.isolation import confine

NOT_ALLOWED = 77
"""Exit code: the command refuses root, and the system allows no user namespace (sysexits.h: EX_NOPERM)."""


def main() -> None:
    parent, user, network, *command = sys.argv[1:]
    if network == "alone":
        confine.drop_network()
    if user == "unroot":
        try:
            confine.unroot()
        except OSError:
            sys.exit(NOT_ALLOWED)
    confine.die_with(int(parent))  # behind the change of user, which takes such a request back
    confine.yield_to_daemon()
    os.execv(command[0], command)  # noqa: S606  # the kernel keeps the request over exec


if __name__ == "__main__":
    main()
