"""Metrics of NATS, the database, the disks, and the ledger. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Metric

from mnemostream.contracts import topology
from mnemostream.services.health.http.bodies import status as bodies
from mnemostream.services.health.http.metrics.families import gauge, gauges
from mnemostream.services.health.judge.snapshot import NOT_ASKED, Snapshot


def bus(snapshot: Snapshot) -> Iterator[Metric]:
    for name, help_, error in (
        ("bus_up", "1 if NATS answered at the last check; absent before the first check.", snapshot.bus_error),
        ("database_up", "1 if PostgreSQL accepts rows; absent before the first check.", snapshot.database_error),
    ):
        yield gauges(name, help_, (), [] if error == NOT_ASKED else [((), float(not error))])
    streams = snapshot.bus.streams
    for name, help_ in (
        ("messages", "Messages in the stream."),
        ("bytes", "Bytes in the stream."),
        ("max_bytes", "Size limit of the stream in bytes; -1 = none."),
    ):
        rows = [((stream,), float(getattr(state, name))) for stream, state in streams.items()]
        yield gauges(f"stream_{name}", help_, ("stream",), rows)
    wrong_streams = [((s.name,), float(s.name in snapshot.bus.wrong)) for s in topology.STREAMS]
    yield gauges("stream_wrong", "1 if the stream is missing or changed.", ("stream",), wrong_streams)
    labels = ("stream", "consumer")
    known = [(tuple(name.split(".", 1)), state) for name, state in snapshot.bus.consumers.items()]
    yield gauges("consumer_pending", "Messages not delivered.", labels, [(k, float(c.lag.pending)) for k, c in known])
    rows_ = [(k, float(c.lag.ack_pending)) for k, c in known]
    yield gauges("consumer_ack_pending", "Messages delivered and not acknowledged.", labels, rows_)
    rows_ = [(k, float(c.redelivered)) for k, c in known]
    yield gauges("consumer_redelivered", "Messages in flight that were redelivered.", labels, rows_)
    wrong = [((f"{c.stream}", c.name), float(f"{c.stream}.{c.name}" in snapshot.bus.wrong)) for c in topology.CONSUMERS]
    yield gauges("consumer_wrong", "1 if the consumer is missing, paused or changed.", labels, wrong)
    free = [((name,), float(value)) for name, value in snapshot.disks.items()]
    yield gauges("disk_free_bytes", "Free bytes on the disk of a server.", ("disk",), free)
    kept = float(snapshot.bus.messages(topology.DEADLETTERS.name))
    yield gauge("dead_letters_kept", "Dead letters of all stages in the stream.", kept)


STEPS = {
    "disk_bytes": "on_disk",
    "captured_bytes": "captured",
    "published_bytes": "published",
    "log_bytes": "log",
    "stored_bytes": "stored",
}


def ledger(snapshot: Snapshot) -> Iterator[Metric]:
    ledger = bodies.ledger(snapshot)
    rows = [
        ((source, step), float(getattr(account, name)))
        for source, account in ledger.sources.items()
        for name, step in STEPS.items()
    ]
    yield gauges("ledger_bytes", "Bytes of transcripts at each step.", ("source", "step"), rows)
    texts = [((source, "texts"), float(account.texts)) for source, account in ledger.sources.items()]
    texts += [((source, "embedded"), float(account.embedded)) for source, account in ledger.sources.items()]
    yield gauges("ledger_texts", "Texts to embed, and those with a vector.", ("source", "step"), texts)
    gaps = [
        ((source, gap.removesuffix("_bytes")), float(value))
        for source, account in ledger.sources.items()
        for gap, value in account.gaps.items()
        if gap.endswith("_bytes")
    ]
    yield gauges("ledger_gap_bytes", "Bytes still missing at a step.", ("source", "gap"), gaps)
    missing = [
        ((source,), float(account.gaps.get("unembedded_texts", 0))) for source, account in ledger.sources.items()
    ]
    yield gauges("ledger_gap_texts", "Texts that have no vector yet.", ("source",), missing)
    yield gauge("ledger_balanced", "1 if the ledger is known to have no gap.", float(ledger.balanced is True))
