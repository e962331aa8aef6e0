"""Times as people write them. Pure."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

UNITS = {"m": 1 / 1440, "h": 1 / 24, "d": 1.0, "w": 7.0}
"""Days of each unit of `3d`."""


def moment(value: str, now: datetime) -> datetime:
    """A date, a date with a time, or how long before `now` (`3d`, `12h`). Raises ValueError, whose text says so.

    >>> from datetime import UTC
    >>> moment("3d", datetime(2026, 1, 4, tzinfo=UTC)).isoformat()
    '2026-01-01T00:00:00+00:00'
    """
    if ago := re.fullmatch(r"(\d{1,6})([mhdw])", value):
        try:
            return now - timedelta(days=int(ago[1]) * UNITS[ago[2]])
        except OverflowError:
            return datetime.min.replace(tzinfo=now.tzinfo)
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value!r} is no time; use 3d, 12h or 2026-01-31") from None
    return time if time.tzinfo else time.replace(tzinfo=now.tzinfo)
