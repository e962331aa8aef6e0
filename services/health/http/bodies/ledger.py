"""Continuous loss accounting: on disk = captured = published = stored; texts = embedded. Pure.

The left part is the watcher's, of files that are there; `log_bytes` are the newest generations of all transcripts
ever captured, also of files that are gone, and are what the database must hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mnemostream.contracts.http.health import Account
from mnemostream.contracts.vitals import SourceVitals, WatcherVitals

GAPS = {
    "uncaptured_bytes": ("disk_bytes", "captured_bytes"),
    "unpublished_bytes": ("captured_bytes", "published_bytes"),
    "unstored_bytes": ("log_bytes", "stored_bytes"),
    "unembedded_texts": ("texts", "embedded"),
}
STORED = ("stored_bytes", "texts", "embedded")
COLUMNS = tuple(name for name in Account.__struct_fields__ if name != "gaps")


def accounts(vitals: WatcherVitals, rows: Iterable[Mapping[str, Any]]) -> tuple[Account, dict[str, Account]]:
    """The total, and one account per source; `rows` are the database's part."""
    sources = {name: _watched(source) for name, source in vitals.sources.items()}
    for row in rows:
        account = sources.setdefault(row["source"], dict.fromkeys(COLUMNS, 0))
        for column in STORED:
            account[column] += int(row[column])
    total = {column: sum(account[column] for account in sources.values()) for column in COLUMNS}
    return _account(total), {name: _account(account) for name, account in sorted(sources.items())}


def balanced(sources: Mapping[str, Account]) -> bool:
    """True if there is no gap anywhere."""
    return not any(gap for account in sources.values() for gap in account.gaps.values())


def _watched(source: SourceVitals) -> dict[str, int]:
    """The watcher's part; what it does not tell counts as nothing here, and `Ledger.balanced` is null then."""
    return dict.fromkeys(COLUMNS, 0) | {
        "files": source.files or 0,
        "disk_bytes": source.discovered_bytes or 0,
        "captured_bytes": source.captured_bytes or 0,
        "published_bytes": source.present_published_bytes or 0,
        "log_bytes": source.published_bytes or 0,
    }


def _account(columns: dict[str, int]) -> Account:
    """Gaps are what is missing from each step to the next; the database may run ahead of the last heartbeat."""
    gaps = {name: max(0, columns[more] - columns[less]) for name, (more, less) in GAPS.items()}
    return Account(**columns, gaps=gaps)
