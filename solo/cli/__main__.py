"""`python -m solo.cli`."""

from solo.cli.app import main

main()
