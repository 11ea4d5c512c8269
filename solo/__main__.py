"""`python -m solo`."""

from solo.cli.app import main

main()
