"""Who is at the other end of a connection over loopback: looked at before a password is sent.

A user of the same machine may take a port whose server has ended. Linux tells the owner of each socket
(https://docs.kernel.org/networking/proc_net_tcp.html); elsewhere nothing is known, and nothing refused.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path

TABLE = Path("/proc/net/tcp")


def uid_at_the_other_end(connection: socket.socket) -> int | None:
    """User id that owns the peer's socket; None where it cannot be told."""
    if connection.family != socket.AF_INET or not TABLE.exists():
        return None
    ours, theirs = _hex(connection.getsockname()), _hex(connection.getpeername())
    for line in TABLE.read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1] == theirs and fields[2] == ours:
            return int(fields[7])
    return None


def is_owned(connection: socket.socket, owner: int) -> bool:
    """False if the peer is somebody else's than `owner` or root. A socket that has just been accepted by nobody yet is
    already owned by who listens."""
    uid = uid_at_the_other_end(connection)
    return uid is None or uid in (0, owner)


def _hex(address: tuple[str, int]) -> str:
    """As the kernel writes it: the address as a number of the machine's byte order."""
    return f"{int.from_bytes(socket.inet_aton(address[0]), sys.byteorder):08X}:{address[1]:04X}"
