"""Forms in which secrets were missed, texts that were slow, and cuts through a secret."""

from __future__ import annotations

import random
import time

import pytest

from mnemostream.runtime.secrets.mask import masked_cut, replaced, without_halves
from mnemostream.runtime.secrets.scan import scanner
from tests.unit.secret_samples import KINDS, encoded

FINDER = scanner()
TOKEN = "ghp_" + "aB3dE5gH7j" * 3 + "aB3dE5"
BEHIND = [
    *("\\u001b[32m{}", "KEY\\u003d{}", "\\u0026t={}", "%3D{}", "%22{}", "\\x3d{}"),
    *("token{}", "_{}", "\\r{}", "\\b{}", "\\f{}", "\\/{}"),
]


@pytest.mark.parametrize("place", BEHIND)
@pytest.mark.parametrize("times", range(3))
def test_a_token_right_behind_an_escape_is_found(place: str, times: int) -> None:
    data = encoded(f"x {place.format(TOKEN)} y", times)
    assert any(data[s.start : s.stop].endswith(TOKEN.encode()) for s in FINDER.find(data)), data


KEY = KINDS["private-key"](random.Random(3))
FORMS = [
    "DB_PASS=Xk29$vLq!8",
    "export SMTP_PASS='Xk29vLq8'",
    "OPENAI_KEY=Xk29vLq8Mz71Bn3",
    'password = "Xk$29(vL*q),8;"',
    "the password is: Xk29vLq8",
    '[[[{"password": "Xk29vLq8"}]]]',
    "IDENTIFIED BY 'Xk29vLq8'",
    'client.setPassword("Xk29vLq8")',
    '{"auths": {"x": {"auth": "bWU6WGsyOXZMcTg="}}}',
    "Authorization: token Xk29vLq8Mz71Bn3Qw",
    "db.test:5432:app:me:Xk29vLq8",
    "Bearer " + "Xk29vLq8Mz71Bn3Qw5" * 120,
    "eyJhbGciOiJIUzI1NiJ9." + "eyJ" + "Xk29vLq8Mz" * 150 + "." + "Xk29vLq8Mz" * 30,
    "\n".join(f"{number}\t{line}" for number, line in enumerate(KEY.splitlines(), 1)),
    "\n".join(f"    {number}→{line}" for number, line in enumerate(KEY.splitlines(), 1)),
    "\n".join(f"key.pem:{number}:{line}" for number, line in enumerate(KEY.splitlines(), 1)),
    "\n".join(f'"{line}\\n" +' for line in KEY.splitlines()),
    "\r\n".join(f"> {line}" for line in KEY.splitlines()),
]


@pytest.mark.parametrize("text", FORMS)
@pytest.mark.parametrize("times", range(3))
def test_forms_that_were_missed_are_found_whole(text: str, times: int) -> None:
    data = encoded(text, times)
    left = replaced(data, FINDER.find(data))
    assert b"Xk29" not in left, left[:300]
    assert b"8Mz71" not in left, left[:300]
    body = max(KEY.splitlines(), key=len).encode()
    assert body not in left
    assert KEY.splitlines()[-2].encode()[:20] not in left


SLOW = {
    "words": b"password = abcdefgh" + b"-_:" * 300 + b"1",
    "many": b'{"password":"Hq7xzKp2w1"}' * 4000,
    "tokens": (TOKEN.encode() + b" ") * 2500,
    "keys": (b"-----BEGIN PRIVATE KEY-----" + b"QUJD" * 10 + b" ") * 1400,
    "heads of tokens": b"eyAAAAAAAAAAAAAAAAA.ey" * 4500,
    "names": (b"password=" + b"a.b/c_d-e:" * 19) * 500,
    "backslashes": b"\\" * 50_000 + b"password=Hq7xzKp2w1",
    "quotes": b"password" + b'"' * 50_000 + b"=Hq7xzKp2w1",
    "codes": b"%3D" * 30_000,
}


@pytest.mark.parametrize("name", SLOW)
def test_no_text_is_slow(name: str) -> None:
    """A hundred kilobytes; the bound is wide, and far from what a quadratic or exponential way would take."""
    began = time.perf_counter()
    FINDER.find(SLOW[name])
    assert time.perf_counter() - began < 10


def test_a_part_of_a_text_is_masked_as_a_part_of_the_whole() -> None:
    text = f"naïve – before\n{KEY}\nafter {TOKEN} end"
    for begin in range(0, len(text), 37):
        shown = masked_cut(text, begin, begin + 90, FINDER)
        assert not [line for line in KEY.splitlines()[1:-1] if line[:16] in shown]
        assert TOKEN[:12] not in shown
    assert masked_cut(text, 0, 12, FINDER) == text[:12]


def test_halves_at_a_cut_are_dropped() -> None:
    cut = f"look\n{KEY[:400]}"
    assert not [line for line in KEY.splitlines()[1:4] if line in without_halves(cut, end=True)]
    assert without_halves(f"{TOKEN} is it", begin=True) == "… is it"
    assert without_halves("日本語" * 400, end=True) == "日本語" * 400


SIGNS = "!#$%&*+,-./:;<=>?@^_|~()[]{}"
PLACES_OF_PASSWORDS = [
    *("DB_PASSWORD={}", "export DB_PASSWORD='{}'", "password: {}", 'password: "{}"', '{{"password": "{}"}}'),
    *('password = "{}"', "password: '{}',", "the password is {}", "curl -u admin:'{}' https://x.test"),
    *('$env:DB_PASSWORD = "{}"', "password={}", "<password>{}</password>", "mysql --password={} x"),
]


@pytest.mark.parametrize("times", range(3))
def test_passwords_with_any_sign_are_found_whole(times: int) -> None:
    """But for `<`, which ends a value, and `{` behind curl."""
    missed = []
    for place in PLACES_OF_PASSWORDS:
        for sign in SIGNS:
            secret = f"Xk29{sign}vLq8Mz"
            data = encoded(place.format(secret), times)
            at = data.index(secret.encode())
            if not any(s.start <= at and at + len(secret) <= s.stop for s in FINDER.find(data)):
                missed.append((place, sign))
    assert len(missed) <= 0.03 * len(SIGNS) * len(PLACES_OF_PASSWORDS), missed
