"""Events to rows: what PostgreSQL cannot hold, and which texts are to be embedded."""

from __future__ import annotations

import msgspec
import pytest

from mnemostream.contracts import codec
from mnemostream.contracts.transcripts import Kind, Record, RecordsEmbedded, TranscriptChanged, embeddable
from mnemostream.services.writer import rows


def change(**more: object) -> TranscriptChanged:
    golden = TranscriptChanged(
        transcript="t",
        source="claude-code",
        host="h",
        root="/r",
        path="p",
        session_id="s",
        generation=0,
        start=0,
        end=3,
        sha256="00" * 32,
        captured_at="now",
        data=b"z",
    )
    return msgspec.structs.replace(golden, **more)


def test_texts_that_postgres_refuses_keep_their_length() -> None:
    assert rows.text("a\0b\ud800c") == "a\ufffdb\ufffdc"


@pytest.mark.parametrize(("stamp", "year"), [("2026-08-01T10:00:00.000Z", 2026), ("", None), ("soon", None)])
def test_a_stamp_that_cannot_be_read_is_none(stamp: str, year: int | None) -> None:
    found = rows.moment(stamp)
    assert (found.year if found else None) == year


def test_writer_and_embedder_agree_on_what_is_embedded() -> None:
    records = [Record(id=kind, kind=kind, offset=0, text=text) for kind in Kind for text in ("words", " \n", "")]
    event = change(records=records)
    marked = [row for row in rows.of_events([event]).records if row[12] is not None]
    assert [row[2] for row in marked] == [record.id for record in filter(embeddable, event.records)]
    human = {"prompt", "command", "plan", "queued", "steer", "comment", "reply", "local_command"}
    assert {row[2] for row in marked} == human | {"answer", "subagent_prompt", "subagent_answer"}


def test_of_two_segments_with_one_beginning_the_longer_is_kept() -> None:
    found = rows.of_events([change(), change(end=9), change(end=5)])
    assert [row[3] for row in found.segments] == [9]


def test_equal_texts_share_their_vectors() -> None:
    chunk = {"record_id": "a", "text_sha": "11" * 32, "chunk": 0, "begin": 0, "stop": 1, "vector": b""}
    event = {"type": "RecordsEmbedded", "transcript": "t", "source": "s", "model": "m", "model_name": "m",
             "dimensions": 0, "chunks": [chunk, {**chunk, "record_id": "b"}]}  # fmt: skip
    decoded = codec.decode(msgspec.json.encode(event))
    assert isinstance(decoded, RecordsEmbedded)
    assert len(rows.of_vectors([decoded])[1]) == 1
