"""What `streamlit run` starts: puts the repository on the path and draws the page."""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> None:
    # `streamlit run` puts the folder of this file on the path, not the one above it that holds the package; appended,
    # so that an installed copy of anything still comes first.
    root = str(Path(__file__).resolve().parents[1])
    if root not in sys.path:
        sys.path.append(root)
    from dashboard.page import draw

    draw()


main()
