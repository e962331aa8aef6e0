"""Coverage-guided fuzzing of the parsers of transcripts and of the decoders of events (atheris, libFuzzer).

    pip install atheris
    python bench/fuzz.py [SEEDS …] [-max_total_time=3600] [-jobs=2]

The first folder takes what the fuzzer finds worth keeping; without one it is a new folder in the temp folder. The
transcripts of `tests/conformance/formats` and the golden events are seeds. A finding ends the run with the traceback,
and its bytes are in `crash-…`; it becomes a case of `tests/unit/test_parsers_hostile.py`.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

try:
    import atheris
except ImportError:
    sys.exit("atheris is needed: pip install atheris")

import msgspec  # noqa: E402 - after the look for atheris

with atheris.instrument_imports(
    include=[
        "mnemostream.contracts",
        "mnemostream.services.watcher",
        "mnemostream.runtime.disk.packed",
        "mnemostream.runtime.secrets",
    ]
):
    from mnemostream.contracts import codec
    from mnemostream.runtime.disk import packed
    from mnemostream.runtime.secrets.mask import replaced
    from mnemostream.runtime.secrets.scan import scanner
    from mnemostream.services.watcher.formats import ATTACHMENT, FORMATS, identify, lines
    from mnemostream.services.watcher.parsing import shrink, units

from tests.unit.secret_samples import encoded, planted  # noqa: E402 - not installed

ORIGIN = units.FileOrigin("t", "h", "/r", "p.jsonl", ATTACHMENT, ATTACHMENT.context("p.jsonl", {}))
NAMES = sorted(FORMATS)
SECRETS = 255
"""First byte of an input for the scanner of secrets."""
REFUSED = (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError, ValueError)


def parsed(name: str, data: bytes, *, document: bool) -> None:
    """One parser over every line: what it raises is a finding, though the watcher would count and go on."""
    form = FORMATS[name]
    first = identify("a/b.jsonl", data[: 64 << 10], "auto", complete=True)
    context, state = form.context("a/b.jsonl", first.first if first else {}), form.state()
    pieces = [data] if document else units.split(data)
    if b"".join(pieces) != data:
        raise AssertionError("lines are not the bytes")
    for line in pieces:
        for at, obj in lines.read(line, document=document).objects:
            form.sniff(obj)
            records, _ = form.records(obj, at, context, state)
            for record in records:
                parts = list(units._parts(record))
                if "".join(part.text for part in parts) != record.text:
                    raise AssertionError("parts are not the text")
                msgspec.json.encode(codec.storable(record.text))


def decoded(data: bytes) -> None:
    """An event that decodes is encoded and decoded to the same again."""
    with contextlib.suppress(*REFUSED):
        event = codec.decode(data)
        if codec.decode(codec.encode(event)) != event:
            raise AssertionError("an event changed on its way")
    with contextlib.suppress(*REFUSED):
        codec.decode_checkpoint(data.decode("utf-8", "surrogateescape"))


def unpacked(data: bytes) -> None:
    """Compressed bytes, and a line that is too large."""
    with contextlib.suppress(packed.Damaged):
        sum(len(piece) for piece in packed.unpacked([data[:40], data[40:]]))
    with contextlib.suppress(shrink.TooLarge):
        shrink.shrink([data[:7], data[7:]], 16, 4096)


def redacted(data: bytes) -> None:
    """A line whose secrets are replaced has its length, and is JSON if it was."""
    line = data + rb' "password": "Xk29-' + data[:20] + b'"'
    for text in (data, line):
        after = replaced(text, scanner().find(text))
        if len(after) != len(text):
            raise AssertionError("a placeholder has another length")
        try:
            msgspec.json.decode(text)
        except REFUSED:
            continue
        msgspec.json.decode(after)


def one_input(data: bytes) -> None:
    """The first byte says who reads the rest."""
    if not data:
        return
    which, rest = data[0] % (2 * len(NAMES) + 2), data[1:]
    if data[0] == SECRETS:
        redacted(rest)
    elif which < 2 * len(NAMES):
        parsed(NAMES[which // 2], rest, document=bool(which % 2))
    elif which == 2 * len(NAMES):
        decoded(rest)
    else:
        unpacked(rest)


def seeds(folder: Path) -> None:
    """The project's own transcripts and golden events, each under the byte of its reader."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in (ROOT / "contracts" / "golden").glob("*.json"):
        (folder / file.name).write_bytes(bytes([2 * len(NAMES)]) + file.read_bytes())
    for number, (kind, _, text) in enumerate(planted(1)):
        line = encoded(text, number % 4)
        (folder / f"secret-{number}-{kind}").write_bytes(bytes([SECRETS]) + b'{"text": ' + line + b"}")
    for file in (ROOT / "tests" / "conformance" / "formats").rglob("*.json*"):
        family = file.relative_to(ROOT / "tests" / "conformance" / "formats").parts[0]
        if "expected" not in file.name and family in NAMES:
            number = 2 * NAMES.index(family) + (file.suffix == ".json")
            (folder / f"{family}-{file.name}").write_bytes(bytes([number]) + file.read_bytes())


def main() -> None:
    """Runs until the time is over or something is found."""
    options = [word for word in sys.argv[1:] if word.startswith("-")]
    folders = [word for word in sys.argv[1:] if not word.startswith("-")] or [tempfile.mkdtemp(prefix="mnemo-fuzz-")]
    seeds(Path(folders[0]))
    words = ROOT / "bench" / "fuzz.dict"
    atheris.Setup([sys.argv[0], f"-dict={words}", "-max_len=20000", *options, *folders], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
