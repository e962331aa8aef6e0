"""Writes the table of docs/assistants.md from the registry; the text around it stays.

python ops/assistants.py
"""

from __future__ import annotations

from pathlib import Path

from mnemostream.contracts import sources
from mnemostream.contracts.sources import Source

PAGE = Path(__file__).parents[1] / "docs" / "assistants.md"
HEAD = "| assistant | name | dialect | store | where | known by | resumed by | deletes by itself |"
KNOWN = {
    "file": "a real file",
    "source": "its source",
    "parser": "another project's parser",
    "described": "a description",
}
NOWHERE = "`mnemo import`, or a folder that you name: `--source NAME=FOLDER`"


def row(source: Source) -> str:
    """One line of the table."""
    places = "; ".join(f"`{place.replace(' | ', '`, else `')}`" for place in (*source.homes, *source.databases))
    beside = "; ".join(f"`{place}` in each project" for place in source.projects)
    resume = f"`{' '.join(source.resume)} ID`" if source.resume else ""
    cells = (
        source.title,
        f"`{source.name}`",
        source.dialect,
        source.store,
        "; ".join(filter(None, (places, beside))) or NOWHERE,
        KNOWN[source.sure],
    )
    return f"| {' | '.join((*cells, resume, source.deletes))} |"


def main() -> None:
    """Replaces the table."""
    lines = PAGE.read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| assistant |"))
    stop = next(number for number in range(start, len(lines)) if not lines[number].startswith("|"))
    table = [HEAD, "|---" * HEAD.count(" | ") + "|---|", *map(row, sources.SOURCES)]
    PAGE.write_text("\n".join([*lines[:start], *table, *lines[stop:]]) + "\n")


if __name__ == "__main__":
    main()
