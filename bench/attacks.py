"""Attacks on a running system, and what came of each.

    python bench/attacks.py

Runs the tests that attack, on real servers, as another user of the machine and from a page in Chromium, and prints a
table: attack, outcome. What is not attacked here is named at the end. Attacks as another user are skipped unless run as
root.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ATTACKS: tuple[tuple[int, str, Sequence[str]], ...] = (
    (1, "read content, names and paths over HTTP without the token", ("integration/test_health_access.py",)),
    (1, "the page in Chromium, with hostile transcripts, without the token", ("system/test_dashboard.py",)),
    (2, "take the ports after a stop, or while a server is down, as another user", ("system/test_private.py",)),
    (3, "look into the data folder and its logs as another user", ("system/test_private.py",)),
    (4, "the monitor of NATS", ("contract/test_compose.py",)),
    (5, "listen to and write into the inboxes of others; junk in one's own", ("integration/test_bus_rights.py",)),
    (6, "change segments and migrations as the writer's role", ("integration/test_writer_rights.py",)),
    (6, "change or empty a stage's consumer, delete its dead letters", ("integration/test_bus_rights.py",)),
    (6, "take a message from a stage's consumer", ("system/test_healing.py",)),
    (7, "vectors of wrong size, length and model", ("integration/test_writer_rights.py",)),
    (8, "controls, markup and bidi to the terminal", ("unit/test_terminal.py", "system/test_hostile_terminal.py")),
    (
        9,
        "half-open requests, slow bodies, readers that do not read, other sites",
        ("integration/test_health_floods.py",),
    ),
    (10, "links out of the watched folder", ("integration/test_unseen.py",)),
    (11, "planted secrets of 68 kinds, in JSON of JSON of JSON", ("unit/test_secrets.py", "unit/test_secret_forms.py")),
    (11, "secrets in every command, in the API, in dead letters", ("system/test_hostile_terminal.py",)),
    (
        11,
        "secrets across segments, in attachments and compressed files, with MNEMO_REDACT=publish",
        ("integration/test_secrets_archive.py", "integration/test_redaction.py", "system/test_redaction.py"),
    ),
    (12, "packages without a hash, images without a digest", ("contract/test_locks.py", "contract/test_compose.py")),
    (13, "made-up requests for every route; objects and bytes for every parser", ("integration/test_health_fuzz.py",)),
    (13, "what the fuzzer found, and made-up objects", ("unit/test_parsers_hostile.py",)),
)
NOT_HERE = (
    "the packages and images themselves",
    "parsers for an hour, guided by coverage (bench/fuzz.py)",
    "containers: compose.yaml is compared with the rules, not attacked",
)


def main() -> int:
    files = sorted({f"tests/{file}" for _, _, names in ATTACKS for file in names})
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        argv = [sys.executable, "-m", "pytest", "-q", "-n", "2", f"--junitxml={report}", *files]
        subprocess.run(argv, cwd=ROOT, stdout=sys.stderr, check=False)
        outcomes = _outcomes(report)
    print(f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} CPUs, uid {os.geteuid()}")
    print("\n| point | attack | tests | outcome |\n|---|---|---|---|")
    held = True
    for point, attack, names in ATTACKS:
        found = [
            outcome for file, outcome in outcomes if any(f"tests.{n[:-3].replace('/', '.')}" == file for n in names)
        ]
        bad, skipped = found.count("failed"), found.count("skipped")
        outcome = "not run" if not found else "OPEN" if bad else "held" + (f" ({skipped} skipped)" if skipped else "")
        held = held and bool(found) and not bad
        print(f"| {point} | {attack} | {len(found)} | {outcome} |")
    print("\nnot attacked here: " + "; ".join(NOT_HERE))
    return 0 if held else 1


def _outcomes(report: Path) -> list[tuple[str, str]]:
    """Module and outcome of each test."""
    found = []
    for case in ElementTree.parse(report).iter("testcase"):
        children = {child.tag for child in case}
        outcome = "failed" if children & {"failure", "error"} else "skipped" if "skipped" in children else "passed"
        found.append((case.get("classname", ""), outcome))
    return found


if __name__ == "__main__":
    sys.exit(main())
