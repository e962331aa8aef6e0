"""A NATS of somebody else: operator mode with a credentials file, TLS by an authority of its own, a limited account."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import nkeys
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mnemostream.contracts import topology
from mnemostream.local.child import Child, Spec
from mnemostream.local.nats_server import program
from mnemostream.runtime import bus, provision
from mnemostream.runtime.clock import SystemClock
from mnemostream.runtime.connection import address
from mnemostream.runtime.errors import Misconfigured
from tests.conftest import eventually, some_port


class Key:
    """One key pair of NATS (https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/nkey_auth)."""

    def __init__(self, kind: int) -> None:
        self.seed = bytes(nkeys.encode_seed(os.urandom(32), kind))
        self.pair = nkeys.from_seed(bytearray(self.seed))
        self.name = self.pair.public_key.decode()

    def signed(self, subject: str, name: str, facts: dict[str, object]) -> str:
        """A JWT about `subject` (ADR-14 of nats-architecture-and-design)."""
        claims = {"iss": self.name, "sub": subject, "name": name, "iat": int(SystemClock().now()), "nats": facts}
        claims["jti"] = base64.b32encode(hashlib.sha256(json.dumps(claims).encode()).digest()).decode().rstrip("=")
        parts = [_part(json.dumps({"typ": "JWT", "alg": "ed25519-nkey"}).encode()), _part(json.dumps(claims).encode())]
        return ".".join([*parts, _part(self.pair.sign(".".join(parts).encode()))])


def _part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def certified(folder: Path) -> Path:
    """An authority's certificate; beside it `server.pem` and `server.key` of 127.0.0.1, signed by it."""
    now = SystemClock().utc()

    def made(name: str, key: ec.EllipticCurvePrivateKey, issuer: str, by: ec.EllipticCurvePrivateKey) -> bytes:
        names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in (name, issuer)]
        builder = x509.CertificateBuilder().subject_name(names[0]).issuer_name(names[1]).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=2))
        builder = builder.add_extension(x509.BasicConstraints(ca=name == issuer, path_length=None), critical=True)
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        return builder.sign(by, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    authority, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    (folder / "ca.pem").write_bytes(made("authority", authority, "authority", authority))
    (folder / "server.pem").write_bytes(made("server", own, "authority", authority))
    plain = serialization.NoEncryption()
    pem = own.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / "server.key").write_bytes(pem)
    return folder / "ca.pem"


@asynccontextmanager
async def foreign(folder: Path) -> AsyncIterator[str]:
    """`host:port` of a server in operator mode with TLS; `mnemo.creds` in the folder is a user of its one account."""
    operator, user = Key(nkeys.PREFIX_BYTE_OPERATOR), Key(nkeys.PREFIX_BYTE_USER)
    account, system = Key(nkeys.PREFIX_BYTE_ACCOUNT), Key(nkeys.PREFIX_BYTE_ACCOUNT)
    certified(folder)
    plain = {
        "subs": -1,
        "conn": 20,
        "leaf": -1,
        "imports": -1,
        "exports": -1,
        "data": -1,
        "payload": -1,
        "wildcards": True,
    }
    limits = {**plain, "mem_storage": 1 << 30, "disk_storage": 40 << 30, "streams": 20, "consumer": 200}
    root = operator.signed(operator.name, "op", {"type": "operator", "version": 2})
    team = operator.signed(account.name, "team", {"type": "account", "version": 2, "limits": limits})
    own = operator.signed(system.name, "SYS", {"type": "account", "version": 2, "limits": plain})
    one = account.signed(user.name, "mnemo", {"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1})
    (folder / "mnemo.creds").write_text(
        f"-----BEGIN NATS USER JWT-----\n{one}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed.decode()}\n------END USER NKEY SEED------\n"
    )
    port = some_port()
    (folder / "foreign.conf").write_text(
        f'listen: "127.0.0.1:{port}"\noperator: {root}\nresolver: MEMORY\n'
        f"system_account: {system.name}\nresolver_preload: {{ {account.name}: {team}, {system.name}: {own} }}\n"
        f"max_payload: {topology.MAX_PAYLOAD}\n"
        f'jetstream {{ store_dir: "{folder / "store"}", max_file_store: {1 << 40} }}\n'
        f'tls {{ cert_file: "{folder / "server.pem"}", key_file: "{folder / "server.key"}" }}\n'
    )
    command = [program(), "-c", str(folder / "foreign.conf")]
    child = Child(Spec("foreign", command, dict(os.environ), folder / "foreign.log"), print)
    await child.start()
    try:
        yield f"localhost:{port}"
    finally:
        await child.stop()


async def test_a_credentials_file_and_an_authority_of_ones_own_are_enough(folder: Path) -> None:
    async with foreign(folder) as where:
        url = f"tls://{where}?ca={folder / 'ca.pem'}&creds={folder / 'mnemo.creds'}"
        settings = provision.Settings(nats_url=url, stream_max_bytes=1 << 30)
        await provision.main(settings, asyncio.Event())  # within the limits of the account
        async with bus.connect(url, "test") as connection:
            names = {info.config.name for info in await connection.stream.streams_info()}
            assert names == {stream.name for stream in topology.STREAMS}
            await connection.publish(bus.Message("transcripts.changed.s.t", b"{}", "one"))

        async def reached() -> None:
            assert (folder / "foreign.log").read_text()

        await eventually(reached)
        with pytest.raises(Misconfigured, match="certificate that is not trusted"):
            async with bus.connect(f"tls://{where}?creds={folder / 'mnemo.creds'}", "test", within=10):
                pass
        with pytest.raises(Misconfigured, match="rejected the user or password"):
            async with bus.connect(f"tls://{where}?ca={folder / 'ca.pem'}", "test", within=10):
                pass


def test_an_address_is_taken_apart_and_a_file_that_is_not_there_is_said(folder: Path) -> None:
    found = address.of("tls://u:p@a:1?owner=7,tls://u:p@b:2")
    assert (found.servers, found.owner, found.encrypted) == (["tls://u:p@a:1?owner=7", "tls://u:p@b:2"], 7, True)
    assert (found.inbox, address.of("nats://h").inbox) == ("_INBOX_u", "_INBOX")
    assert address.of("nats://h").trust() is None
    for part in ("ca", "creds"):
        with pytest.raises(Misconfigured, match=f"no file /nowhere.*{part}"):
            address.of(f"tls://h?{part}=/nowhere")
    (folder / "no.pem").write_text("nothing")
    with pytest.raises(Misconfigured, match="cannot be used"):
        address.of(f"tls://h?ca={folder / 'no.pem'}").trust()
    with pytest.raises(Misconfigured, match="cannot be used"):
        address.of("tls://h?pin=AAAA").trust()


async def test_an_attempt_that_is_cancelled_leaves_no_connection_open() -> None:
    """A supervisor that stops looks at servers until its end."""
    taken, ended = asyncio.Event(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.set()
        await reader.read()
        ended.set()
        writer.close()

    async def attempt(port: int) -> None:
        async with bus.connect(f"nats://u:p@127.0.0.1:{port}", "test", within=60):
            pass

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    trying = asyncio.create_task(attempt(server.sockets[0].getsockname()[1]))
    await asyncio.wait_for(taken.wait(), 10)
    trying.cancel()
    await asyncio.wait({trying})
    await asyncio.wait_for(ended.wait(), 3)
    server.close()
    await server.wait_closed()
