"""Secrets that are replaced before they are published: nothing of them leaves the watcher, and the proof stands."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest
import zstandard

from mnemostream.archive import secrets
from mnemostream.archive.copies import Archive
from mnemostream.archive.proof.verify import Scope, verify
from mnemostream.archive.restore import Damaged, InTheWay, find, restore
from mnemostream.contracts import subjects
from mnemostream.contracts.sources import Root
from mnemostream.local.nats_server import Nats
from mnemostream.runtime.bus import Bus
from tests.conftest import jsonl, prompt
from tests.integration.capturing import close, watcher
from tests.integration.conftest import captured, replayed
from tests.integration.proving import DELETE, proof
from tests.integration.secret_sessions import RULES, logged, session
from tests.unit.secret_samples import planted


@pytest.mark.parametrize("segment", [97, 700, 100_000])
@pytest.mark.parametrize("seed", [1, 2])
async def test_redacted_nothing_leaves_the_watcher_and_the_proof_stands(
    transcripts: Path, operator: Bus, kept: Archive, nats: Nats, database: str, segment: int, seed: int
) -> None:
    file, planted_ = session(transcripts, seed=seed, count=12 if segment < 100 else 40)
    original = file.read_bytes()
    await captured(operator, transcripts, segment=segment, redact="publish")
    await replayed(nats, database)
    published = await logged(kept)
    archived = b"".join(zstandard.decompress(event.data) for event in published if event.data)
    assert len(archived) == len(original)
    known = [secret for secret in planted_ if RULES.find(json.dumps(f"x={secret}").encode())]
    everything = archived.decode() + "".join(str(event.records) for event in published)
    left = [secret for secret in known if secret in everything or json.dumps(secret)[1:-1] in everything]
    assert not left
    assert not RULES.find(archived)
    [json.loads(line) for line in archived.splitlines()]
    counted = sum(sum((event.secrets or {}).values()) for event in published)
    assert counted == (await secrets.listing(kept)).secrets > len(known)

    report = await proof(kept, transcripts)
    assert report.equal, report.gaps[:3]
    assert (report.replaced_in, report.replaced >= counted) == (1, True)
    [row] = await find(kept, "s")
    with pytest.raises(InTheWay, match="secrets were replaced"):
        await restore(kept, row, file)
    done = await restore(kept, row, transcripts.parent / "back.jsonl")
    assert (done.replaced, done.bytes) == (report.replaced, len(original))
    assert (transcripts.parent / "back.jsonl").read_bytes() == archived

    again = await captured(operator, transcripts, segment=segment, redact="publish")  # a new watcher, the same file
    assert (again.rewritten, len(await logged(kept))) == (0, len(published))
    file.write_bytes(original + jsonl(prompt("one more line", "last")))
    await captured(operator, transcripts, segment=segment)  # and without redaction it goes on
    await replayed(nats, database)
    assert (await proof(kept, transcripts)).equal
    file.unlink()
    assert (await proof(kept, transcripts, archived=True)).equal


async def test_damage_of_redacted_copies_is_found(
    transcripts: Path, operator: Bus, kept: Archive, nats: Nats, database: str
) -> None:
    file, _ = session(transcripts)
    await captured(operator, transcripts, redact="publish")
    await replayed(nats, database)
    [row] = await find(kept, "s")
    segments = [segment async for segment in kept.segments(row.transcript_id)]
    victim = next(segment for segment in segments if segment.replaced)
    at = victim.replaced[0][0] - victim.start + 1
    for place in (at, 0):  # within a placeholder, and outside of one
        data = bytearray(victim.bytes())
        data[place] ^= 1
        sql = "update segments set data = $2 where transcript_id = $1 and start_offset = $3"
        await kept.database.execute(sql, row.transcript_id, zstandard.compress(bytes(data)), victim.start)
        report = await proof(kept, transcripts)
        assert [gap.copy for gap in report.gaps] == ["database"]
        assert (await restore(kept, row, transcripts.parent / "x.jsonl", force=True)).copy == "log"
    await kept.database.execute(DELETE, row.transcript_id, victim.start)
    await kept.nats.stream.purge_stream("TRANSCRIPTS", subject=subjects.changed(row.source, row.transcript_id))
    with pytest.raises(Damaged):
        await restore(kept, row, transcripts.parent / "y.jsonl")
    assert file.exists()


async def test_what_is_compressed_cannot_be_redacted_and_is_named(transcripts: Path) -> None:
    file, _ = session(transcripts)
    (transcripts / "p.jsonl.zst").write_bytes(zstandard.compress(file.read_bytes()))
    (transcripts / "q.jsonl.zst").write_bytes(zstandard.compress(jsonl(prompt("no secret", "q"))))
    file.unlink()
    capture = watcher(transcripts, redact="publish")
    for _ in range(2):
        await capture.sweep(asyncio.Event())
    close(capture)
    assert {event.path for event in capture.bus.events()} == {"q.jsonl.zst"}
    reasons = {known.path: known.ignored for known in capture.registry}
    assert "compressed, and holds secrets" in reasons["p.jsonl.zst"]
    assert not reasons["q.jsonl.zst"]
    assert capture.roots == [Root(str(transcripts), "claude-code")]


async def test_attachments_are_redacted_across_their_segments(transcripts: Path) -> None:
    file, planted_ = session(transcripts, count=30)
    beside = transcripts / "s" / "tool-results"
    beside.mkdir(parents=True)
    text = "\n\n".join(text for _, _, text in random.Random(1).sample(planted(1), 30))
    (beside / "out.txt").write_text(text)
    capture = watcher(transcripts, redact="publish", segment_bytes=150)
    await capture.sweep(asyncio.Event())
    close(capture)
    pieces = [event for event in capture.bus.events() if event.path.endswith("out.txt")]
    kept = b"".join(zstandard.decompress(event.data) for event in sorted(pieces, key=lambda event: event.start))
    assert len(kept) == len(text.encode())
    assert len(pieces) > 10
    assert not [secret for secret in planted_ if secret.encode() in kept and RULES.find(secret.encode())]
    assert file.exists()


async def test_a_large_compressed_transcript_is_refused_before_its_first_byte(transcripts: Path) -> None:
    file, _ = session(transcripts)
    noise = jsonl(*(prompt(random.Random(number).randbytes(3000).hex(), f"n{number}") for number in range(60)))
    (transcripts / "large.jsonl.zst").write_bytes(zstandard.compress(noise + file.read_bytes()))
    (transcripts / "cut.jsonl.zst").write_bytes(zstandard.compress(jsonl(prompt("nothing", "q")))[:-3])
    file.unlink()
    capture = watcher(transcripts, redact="publish", segment_bytes=10_000)
    await capture.sweep(asyncio.Event())
    close(capture)
    assert capture.bus.events() == []
    reasons = {known.path: known.ignored for known in capture.registry}
    assert "holds secrets" in reasons["large.jsonl.zst"]
    assert "damaged" in reasons["cut.jsonl.zst"]


async def test_verify_says_why_a_file_is_not_captured(transcripts: Path, fill: Any, kept: Archive) -> None:
    file, _ = session(transcripts)
    data = file.read_bytes()
    file.write_bytes(jsonl(prompt("plain", "p")))
    await fill()
    (transcripts / "late.jsonl.zst").write_bytes(zstandard.compress(data))
    scope = Scope([Root(str(transcripts), "claude-code")], redact=RULES)
    report = await verify(kept, scope, lambda *_: None)
    assert report.equal, report.gaps
    assert report.left == {"compressed, and holds secrets that are to be replaced": 1}
    assert not (await proof(kept, transcripts)).equal  # without redaction it should be there


async def test_a_long_key_across_a_cut_is_replaced_whole(transcripts: Path) -> None:
    body = "\n".join(random.Random(1).randbytes(48).hex()[:64] for _ in range(600))
    key = f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----"
    (transcripts / "s.jsonl").write_bytes(jsonl(prompt("x " * 20_000 + key + " y" * 20_000, "p")))
    capture = watcher(transcripts, redact="publish", segment_bytes=50_000)
    await capture.sweep(asyncio.Event())
    close(capture)
    pieces = sorted(capture.bus.events(), key=lambda event: event.start)
    kept = b"".join(zstandard.decompress(event.data) for event in pieces)
    assert len(kept) == (transcripts / "s.jsonl").stat().st_size
    assert not [line for line in body.split("\n") if line.encode() in kept]
    assert not [line for line in body.split("\n") if line in str([event.records for event in pieces])]


async def test_the_end_of_what_is_being_written_is_held_back(transcripts: Path) -> None:
    token = planted(1)[7][1]
    line = jsonl(prompt(f"the token is {token}", "p"))
    at = line.index(token.encode()) + len(token) // 2
    file = transcripts / "s.jsonl"
    file.write_bytes(jsonl(prompt("first", "f")) + line[:at])
    beside = transcripts / "s" / "tool-results"
    beside.mkdir(parents=True)
    (beside / "wide.txt").write_bytes(f"password={token}".encode("utf-16"))
    capture = watcher(transcripts, redact="publish")
    for _ in range(3):
        await capture.sweep(asyncio.Event())
        await capture.rest(asyncio.Event())
    assert sum(event.end - event.start for event in capture.bus.events()) == len(jsonl(prompt("first", "f")))
    with file.open("ab") as handle:
        handle.write(line[at:])
    await capture.sweep(asyncio.Event())
    close(capture)
    kept = b"".join(zstandard.decompress(event.data) for event in capture.bus.events())
    assert token[: len(token) // 2].encode() not in kept
    assert b"first" in kept
    assert b"the token is" in kept
    assert "not UTF-8" in {known.path: known.ignored for known in capture.registry}["s/tool-results/wide.txt"]
