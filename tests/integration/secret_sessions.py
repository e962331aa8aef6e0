"""Transcripts with secrets, for the tests of the archive."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from mnemostream.archive.copies import Archive
from mnemostream.contracts import codec, subjects
from mnemostream.contracts.transcripts import TranscriptChanged
from mnemostream.runtime.secrets.scan import scanner
from tests.conftest import answer, jsonl, prompt
from tests.unit.secret_samples import planted

RULES = scanner()


def session(folder: Path, name: str = "s", seed: int = 1, count: int = 40) -> tuple[Path, list[str]]:
    """A transcript with secrets in prompts, answers and results of tools; and the secrets."""
    dice = random.Random(seed)
    chosen = dice.sample(planted(seed), count)
    lines: list[dict[str, Any]] = []
    for number, (_, _, text) in enumerate(chosen):
        lines += [prompt(f"look: {text}", f"{name}{number}"), answer(f"I see\n{text}\nthere")]
        result = {"tool_use_id": "t1", "type": "tool_result", "content": json.dumps({"stdout": text})}
        lines.append({"type": "user", "uuid": f"{name}r{number}", "message": {"role": "user", "content": [result]}})
    file = folder / f"{name}.jsonl"
    file.write_bytes(jsonl(*lines))
    return file, [secret for _, secret, _ in chosen]


async def logged(kept: Archive) -> list[TranscriptChanged]:
    """Segments in the log."""
    events = []
    async for message in kept.messages([subjects.CHANGED]):
        event = codec.decode(message.data)
        assert isinstance(event, TranscriptChanged)
        events.append(event)
    return events
