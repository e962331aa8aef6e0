"""Recall on planted secrets, speed, and what is found in real transcripts; a table with the machine.

    python bench/secret_scan.py [--corpus FOLDER] [--seeds 20]

What is found in a corpus without secrets are false positives: each is listed, shortened.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.unit.secret_samples import KINDS, NAMED, encoded, planted  # noqa: E402

from mnemostream.runtime.secrets.scan import Scanner, scanner  # noqa: E402 - the tests' samples are not installed

TIMES = 3
"""Plain, as JSON, and as JSON within JSON."""


def recall(rules: Scanner, seeds: int) -> None:
    """Prints how many planted secrets are found whole."""
    found, all_ = Counter[str](), Counter[str]()
    for seed in range(seeds):
        for kind, secret, text in planted(seed):
            for times in range(TIMES):
                data, wanted = encoded(text, times), encoded(secret, times).strip(b'"\\')
                at = data.find(wanted)
                all_[kind] += 1
                found[kind] += any(s.start <= at and at + len(wanted) <= s.stop for s in rules.find(data))
    share = found.total() / all_.total()
    print(f"| recall, {len(KINDS) + len(NAMED)} kinds, {all_.total():,} planted | {share:.2%} |")
    for kind in all_:
        if found[kind] < all_[kind]:
            print(f"|   {kind} | {found[kind] / all_[kind]:.1%} |")


def corpus(rules: Scanner, folder: Path) -> None:
    """Prints the speed over a folder, and what was found in it."""
    lines = [line for file in sorted(folder.rglob("*.json*")) if file.is_file() for line in file.open("rb")]
    size = sum(map(len, lines))
    began = time.perf_counter()
    hits = [(secret, line) for line in lines for secret in rules.find(line)]
    seconds = time.perf_counter() - began
    print(f"| speed on {size / 1e6:.0f} MB, one core | {size / 1e6 / seconds:.0f} MB/s |")
    values = Counter((secret.kind, line[secret.start : secret.stop]) for secret, line in hits)
    print(f"| found in it | {len(hits)}, {len(values)} different |")
    for (kind, value), count in values.most_common():
        print(f"|   {kind} | {count} × {value[:40].decode('utf-8', 'replace')} |")


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--seeds", type=int, default=20)
    options = parser.parse_args()
    print(f"| {platform.platform()}, Python {platform.python_version()} | |\n|---|---|")
    rules = scanner()
    recall(rules, options.seeds)
    if options.corpus:
        corpus(rules, options.corpus)


if __name__ == "__main__":
    main()
