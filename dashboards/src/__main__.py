"""Writes the dashboards: `python -m dashboards.src [DIRECTORY]`, by default where they are committed."""

import sys
from pathlib import Path

from . import deepgram, fleet, pod, session

PAGES = (fleet, pod, session, deepgram)


def write(directory: Path) -> None:
    for module in PAGES:
        page = module.page()
        (directory / f"{page.name}.json").write_text(page.to_json())


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent)
