"""Rows that the database lacks: told when every count of half a minute missed some, and nothing waits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mnemostream.contracts.vitals import SourceVitals, WatcherVitals
from mnemostream.services.health.judge.samples import MissingRows, published

COUNTS = st.lists(
    st.tuples(st.floats(0.1, 50), st.integers(0, 3), st.integers(0, 3), st.booleans()), min_size=1, max_size=12
)


def rows(stored: int) -> list[dict[str, object]]:
    return [{"source": "claude-code", "stored_bytes": stored}]


@given(COUNTS)
def test_it_is_the_time_since_the_last_count_that_missed_nothing(counts: list[tuple[float, int, int, bool]]) -> None:
    missing, now, since = MissingRows(), 1000.0, None
    for seconds, in_log, stored, waits in counts:
        now += seconds
        missing.take({"claude-code": in_log}, rows(stored), waits, now)
        lacks = in_log > stored and not waits
        since = (since or now) if lacks else None
        assert missing.bytes == (in_log - stored if lacks else 0)
        assert missing.seconds == (now - since if since else 0.0)


def test_a_source_that_has_more_hides_none_that_has_less() -> None:
    missing = MissingRows()
    missing.take({"claude-code": 5, "codex": 7}, rows(900), 0, 1.0)
    assert missing.bytes == 7


def test_each_watcher_tells_the_bytes_of_the_whole_log() -> None:
    watchers = [
        WatcherVitals(sources={"codex": SourceVitals(published_bytes=size, discovered_bytes=size)}) for size in (7, 9)
    ]
    assert published(watchers) == {"codex": 9}
    assert published([WatcherVitals(sources={"canary": SourceVitals(published_bytes=5)})]) == {}
