"""What the address of NATS says: servers, who must answer there, and as whom.

    nats://user:password@host:4222?owner=1000        on loopback: the server must belong to this user, or root
    tls://user:password@host:4222?ca=/run/ca.pem     TLS, with an authority of one's own; without `ca`, the system's
    tls://host:4222?creds=/run/secrets/mnemo.creds   a credentials file: https://docs.nats.io/using-nats/developer/connecting/creds
    tls://edge:password@host:4222?pin=…              of `mnemo join`: the server's own certificate, in base64

Several servers of a cluster are separated by commas; the query of the first one holds for all.
"""

from __future__ import annotations

import base64
import binascii
import ssl
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec

from mnemostream.contracts import subjects
from mnemostream.runtime.errors import Misconfigured
from mnemostream.runtime.logs import without_password

OWNER = "owner"
"""User id that must own the server, or root."""
CA = "ca"
CREDENTIALS = "creds"
PIN = "pin"
PINNED_NAME = "mnemostream"
"""The name in the certificate of a server that edges know by its certificate: what it is called, and where it stands,
does not matter."""


class Address(msgspec.Struct, frozen=True):
    """An address, taken apart. Construction opens no file."""

    servers: list[str]
    owner: int | None = None
    encrypted: bool = False
    ca: str = ""
    credentials: str = ""
    pin: str = ""

    @property
    def shown(self) -> str:
        """For people: without passwords, files and certificates."""
        return ",".join(without_password(server).partition("?")[0] for server in self.servers)

    @property
    def inbox(self) -> str:
        """How the reply subjects of its user begin."""
        return subjects.inbox(urlsplit(self.servers[0]).username or "")

    @property
    def name(self) -> str | None:
        """The name that the server's certificate must have; None = that of the address."""
        return PINNED_NAME if self.pin else None

    def trust(self) -> ssl.SSLContext | None:
        """Whose certificates are accepted; None without TLS. Raises Misconfigured."""
        if not self.encrypted:
            return None
        try:
            pinned = ssl.DER_cert_to_PEM_cert(base64.urlsafe_b64decode(self.pin)) if self.pin else None
            return ssl.create_default_context(cafile=self.ca or None, cadata=pinned)
        except (OSError, ssl.SSLError, binascii.Error, ValueError) as error:
            raise Misconfigured(
                f"NATS: the certificate {self.ca or 'in the address'} cannot be used: {error}"
            ) from error


def of(url: str) -> Address:
    """Raises Misconfigured for a file that is not there."""
    servers = url.split(",")
    first = urlsplit(servers[0])
    query = {name: values[-1] for name, values in parse_qs(first.query).items()}
    for name in (CA, CREDENTIALS):
        if name in query and not Path(query[name]).is_file():
            raise Misconfigured(f"NATS: there is no file {query[name]} ({name} of the address)")
    if first.scheme not in ("tls", "wss") and (CA in query or PIN in query):
        raise Misconfigured("NATS: an address with a certificate begins with tls://")
    return Address(
        servers,
        int(query[OWNER]) if OWNER in query else None,
        first.scheme in ("tls", "wss"),
        query.get(CA, ""),
        query.get(CREDENTIALS, ""),
        query.get(PIN, ""),
    )
