"""Looks for known vulnerabilities of the locked packages (pip-audit); says so where their data cannot be had.

    python ops/audit.py            (`make audit`)

Exit code 1 for a vulnerability. Without the data nothing is known, and nothing fails.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "locks" / "run.txt"


def main() -> int:
    """The exit code."""
    command = [sys.executable, "-m", "pip_audit", "-r", str(LOCK), "--disable-pip", "--require-hashes", "-f", "json"]
    try:
        done = subprocess.run([*command, "--progress-spinner", "off"], capture_output=True, timeout=300)
        dependencies = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, json.JSONDecodeError, KeyError):
        dependencies = []
    known = [item for item in dependencies if "vulns" in item]
    if not known:
        sys.stdout.write("no data about vulnerabilities can be had here: nothing was audited\n")
        return 0
    bad = [item for item in known if item["vulns"]]
    for item in bad:
        for vulnerability in item["vulns"]:
            fixed = ", ".join(vulnerability["fix_versions"]) or "no version"
            sys.stdout.write(f"{item['name']} {item['version']}: {vulnerability['id']}, fixed in {fixed}\n")
    sys.stdout.write(f"{len(known)} of {len(dependencies)} packages audited, {len(bad)} vulnerable\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
