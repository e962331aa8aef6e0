"""Which machines may ship their transcripts to this server: names, passwords, and the certificate they know it by."""

from __future__ import annotations

import base64
import re
import secrets
import socket
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mnemostream.local import nats_conf
from mnemostream.local.secrets import write_private
from mnemostream.runtime.connection import address

FILE = "edges.json"
CERTIFICATE, KEY = "edge-certificate.pem", "edge-key.pem"
DAYS = 10 * 365
"""Of the certificate. It is pinned: an edge has it in its address, and trusts no other."""
PORT = 4222
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")


class Registry(msgspec.Struct):
    """`edges.json` of a server's data folder."""

    address: str = ""
    """`host:port` at which edges reach the server."""
    passwords: dict[str, str] = {}
    """By name."""


def read(data: Path) -> Registry:
    """An empty one where nobody was invited."""
    try:
        return msgspec.json.decode((data / FILE).read_bytes(), type=Registry)
    except FileNotFoundError:
        return Registry()


def write(data: Path, registry: Registry) -> None:
    """Only its owner can read it."""
    write_private(data / FILE, msgspec.json.encode(registry))


def invited(registry: Registry, name: str) -> str:
    """Adds an edge; its name, with four digits of its own: it is the host in transcript ids for ever, whatever the
    machine is called, and no two are the same. Raises ValueError for what is no name."""
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r}: a name has small letters, digits and '-', at most 31, for example laptop")
    while (edge := f"{name}-{secrets.token_hex(2)}") in registry.passwords:
        pass
    registry.passwords[edge] = secrets.token_urlsafe(24)
    return edge


def url(data: Path, registry: Registry, edge: str) -> str:
    """What `mnemo join` takes: where, as whom, and the certificate that must answer."""
    der = x509.load_pem_x509_certificate((data / CERTIFICATE).read_bytes()).public_bytes(serialization.Encoding.DER)
    pin = base64.urlsafe_b64encode(der).decode()
    return f"tls://{edge}:{registry.passwords[edge]}@{registry.address}?{address.PIN}={pin}"


def certify(data: Path, now: datetime) -> bool:
    """Makes key and certificate where there are none; True if it did."""
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    if (data / KEY).exists() and (data / CERTIFICATE).exists():
        return False
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, address.PINNED_NAME)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(address.PINNED_NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    write_private(data / KEY, key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    write_private(data / CERTIFICATE, certificate.public_bytes(pem))
    return True


def placed(where: str) -> str:
    """`host` or `host:port` as `host:port`; "" = this machine's name. Raises ValueError."""
    host, colon, port = (where or socket.gethostname()).rpartition(":")
    if not colon or where.endswith("]"):
        host, port = where or socket.gethostname(), str(PORT)
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"{where!r}: an address is HOST or HOST:PORT, for example mnemo.example.org:4222")
    return f"{host}:{port}"


def for_server(data: Path) -> nats_conf.Edges | None:
    """The part of nats-server's configuration; None where nobody is invited."""
    registry = read(data)
    if not registry.passwords:
        return None
    return nats_conf.Edges(str(data / CERTIFICATE), str(data / KEY), registry.passwords)
