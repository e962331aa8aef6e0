"""Times as assistants write them: ISO 8601, seconds, milliseconds. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime

EARLIEST, LATEST = 978_307_200.0, 4_102_444_800.0
"""2001 and 2100, Unix seconds: a number is taken for seconds, or for milliseconds, where it is between them."""
_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")


def moment(value: object) -> str:
    """ISO 8601 of a time, as it was written if it was text; "" for anything else.

    >>> moment(1784278801), moment(1784278801000), moment("2026-07-17T09:00:01Z"), moment(7)
    ('2026-07-17T09:00:01.000Z', '2026-07-17T09:00:01.000Z', '2026-07-17T09:00:01Z', '')
    """
    if isinstance(value, str):
        if _ISO.match(value):
            return value
        try:
            value = float(value)
        except ValueError:
            return ""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return ""
    for seconds in (value, value / 1e3, value / 1e6, value / 1e9):
        if EARLIEST < seconds < LATEST:
            told = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
            return told.replace("+00:00", "Z")
    return ""
