"""Writes the pages that are made from the code; `--check` only compares."""

from __future__ import annotations

import sys

from scripts import env_example, errors_page, routes_page

PAGES = (env_example, errors_page, routes_page)


def main() -> int:
    stale = [page.FILE for page in PAGES if not page.FILE.is_file() or page.FILE.read_text("utf-8") != page.page()]
    if "--check" in sys.argv:
        for file in stale:
            print(f"{file.name} is out of date: run `make docs`", file=sys.stderr)
        return 1 if stale else 0
    for page in PAGES:
        page.FILE.write_text(page.page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
