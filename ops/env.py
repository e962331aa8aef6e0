"""Writes the passwords of compose.yaml, each into a file of `.secrets/` (mode 0700): no container has one in its
environment.

    python ops/env.py            (`make env`)

A folder that is there stays. Passwords of an older `.env` (MNEMO_COMPOSE_WRITER=…) are taken over. `.env` gets
the folder, and the user whose transcripts the watcher reads.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUS = ("watcher", "embedder", "writer", "health", "reader", "operator", "system")
"""Users of NATS."""
NAMES = (*(f"nats_{user}" for user in BUS), "postgres", "writer", "reader", "health", "grafana")


def older(file: Path) -> dict[str, str]:
    """Passwords that an older `.env` holds, by name."""
    if not file.is_file():
        return {}
    pairs = (line.partition("=") for line in file.read_text().splitlines() if line.startswith("MNEMO_COMPOSE_"))
    found = {name.removeprefix("MNEMO_COMPOSE_").lower(): value.strip() for name, _, value in pairs}
    return {name: found[name] for name in NAMES if found.get(name)}


def files(passwords: Mapping[str, str]) -> dict[str, str]:
    """Contents by file name. Services read addresses with their password; nats-server a list of its own."""
    database = {"owner": ("postgres", "postgres")} | {role: (f"mnemo_{role}", role) for role in ("writer", "reader")}
    return {
        "nats_passwords": "".join(f'nats_{user}: "{passwords[f"nats_{user}"]}"\n' for user in BUS),
        **{f"nats_url_{user}": f"nats://{user}:{passwords[f'nats_{user}']}@nats:4222" for user in BUS},
        **{
            f"postgres_dsn_{role}": f"postgresql://{user}:{passwords[name]}@postgres:5432/mnemo"
            for role, (user, name) in database.items()
        },
        "postgres_password": passwords["postgres"],
        "writer_password": passwords["writer"],
        "reader_password": passwords["reader"],
        "health_token": passwords["health"],
        "grafana_password": passwords["grafana"],
        "health_url": "http://health:8001",
        "endpoints.json": json.dumps(outside(passwords), indent=2) + "\n",
    }


def outside(passwords: Mapping[str, str]) -> dict[str, object]:
    """For `mnemo … --data .secrets` on the machine that runs the engine: the published ports."""
    bus = {user: f"nats://{user}:{passwords[f'nats_{user}']}@127.0.0.1:4222" for user in ("operator", "reader")}
    return {
        "nats_url": bus["operator"],
        "reader_nats_url": bus["reader"],
        "postgres_dsn": f"postgresql://postgres:{passwords['postgres']}@127.0.0.1:5432/mnemo",
        "reader_postgres_dsn": f"postgresql://mnemo_reader:{passwords['reader']}@127.0.0.1:5432/mnemo",
        "health_url": "http://127.0.0.1:8001",
        "health_token": passwords["health"],
        "host": os.environ.get("MNEMO_HOST", "") or "compose",
        "elsewhere": True,
    }


def completed(folder: Path) -> list[str]:
    """Files that this version has and an earlier one had not are added, with the passwords that are there."""
    there = {name: (folder / f"{name}_password") for name in ("postgres", "writer", "reader")}
    there |= {"health": folder / "health_token"}
    known = {name: file.read_text() for name, file in there.items()}
    lines = (folder / "nats_passwords").read_text().splitlines()
    known |= {
        user.strip(): password.strip().strip('"') for user, _, password in (line.partition(":") for line in lines)
    }
    known.setdefault("grafana", secrets.token_hex(24))
    missing = {name: text for name, text in files(known).items() if not (folder / name).exists()}
    for name, text in missing.items():
        write(folder / name, text)
    return list(missing)


def write(file: Path, text: str) -> None:
    """One secret."""
    file.write_text(text)
    os.chmod(file, 0o644)  # the folder is closed; a container's user must be able to read what is mounted for it


def main(root: Path = ROOT) -> int:
    """The exit code."""
    folder = root / ".secrets"
    if folder.exists():
        added = sorted(completed(folder))
        sys.stdout.write(f"{folder.name} is there already{', added ' + ', '.join(added) if added else ''}\n")
        return 0 if added else 1
    known = older(root / ".env")
    passwords = {name: known.get(name) or secrets.token_hex(24) for name in NAMES}
    folder.mkdir(mode=0o700)
    for name, text in files(passwords).items():
        write(folder / name, text)
    for mounted in (
        "nats/nats.conf",
        "nats/cluster.conf",
        "nats/alive.sh",
    ):  # nats-server is root without the right to read what is closed
        os.chmod(root / "ops" / mounted, 0o644)
    settings = root / ".env"
    lines = settings.read_text().splitlines() if settings.exists() else []
    wanted = {"MNEMO_COMPOSE_SECRETS": ".secrets", "MNEMO_COMPOSE_USER": f"{os.getuid()}:{os.getgid()}"}
    lines += [f"{name}={value}" for name, value in wanted.items() if not any(x.startswith(f"{name}=") for x in lines)]
    settings.write_text("\n".join(lines) + "\n")
    kept = f", {len(known)} of them from .env, which needs them no more" if known else ""
    sys.stdout.write(f"made {folder.name} with {len(NAMES)} passwords{kept}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
