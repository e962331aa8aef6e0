"""What of a query is meant literally. Pure."""

from __future__ import annotations

import re

CODE = re.compile(
    r"[_/\\]|\w[.:\-]\w|[a-z][A-Z]|^[0-9a-f]{7,40}$|[A-Za-z]\d|\d[A-Za-z]",
)
"""What stands in names, paths, versions and hashes, and hardly ever in prose."""
AROUND = ".,;:!?\"'`()[]{}<>"
SHORTEST = 4
SHORTEST_WHOLE = 12
"""Characters of a query that is looked for as a whole, too."""
MOST = 8


def literals(query: str) -> list[str]:
    """The parts of a query that look like code, then the query itself if it is one word or long enough.

    >>> literals("why does parse_header fail?")
    ['parse_header', 'why does parse_header fail?']
    """
    whole = query.strip()
    found = [word for token in whole.split() if code(word := token.strip(AROUND))]
    if whole and (len(whole) >= SHORTEST_WHOLE or (len(whole.split()) == 1 and len(whole) >= SHORTEST)):
        found.append(whole)
    return list(dict.fromkeys(found))[:MOST]


def code(word: str) -> bool:
    """True for a word that looks like a name in code."""
    return len(word) >= SHORTEST and bool(CODE.search(word))
