"""Edges of a server that compose runs: nats-server's folder is made beside the passwords, and `.env` names it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from mnemostream.local import nats_conf
from mnemostream.local.edges import registry

FOLDER = "nats"
MOUNTED = "/etc/nats"
SETTINGS = {"MNEMO_COMPOSE_NATS_FOLDER": "{folder}", "MNEMO_COMPOSE_NATS_BIND": "0.0.0.0"}


def renew(secrets: Path) -> bool:
    """Writes the folder that compose mounts in the place of `ops/nats`; True if `.env` names it only now, so that the
    container must be made anew. Raises OSError."""
    folder = secrets / FOLDER
    folder.mkdir(exist_ok=True)
    shutil.copy(secrets.parent / "ops" / "nats" / "alive.sh", folder / "alive.sh")
    for name in (registry.CERTIFICATE, registry.KEY):
        shutil.copy(secrets / name, folder / name)
    passwords = registry.read(secrets).passwords
    edges = nats_conf.Edges(f"{MOUNTED}/{registry.CERTIFICATE}", f"{MOUNTED}/{registry.KEY}", passwords)
    (folder / "nats.conf").write_text(nats_conf.for_compose(edges=edges if passwords else None))
    for file in folder.iterdir():  # the folder above is closed; nats-server must be able to read what is mounted for it
        os.chmod(file, 0o644)
    os.chmod(folder, 0o755)
    return _named(secrets.parent / ".env", str(folder.resolve()))


def _named(settings: Path, folder: str) -> bool:
    lines = settings.read_text().splitlines() if settings.exists() else []
    missing = [name for name in SETTINGS if not any(line.startswith(f"{name}=") for line in lines)]
    lines += [f"{name}={SETTINGS[name].format(folder=folder)}" for name in missing]
    settings.write_text("\n".join(lines) + "\n")
    return bool(missing)
