"""Secrets are found in every place where people leave them, and what replaces them keeps a document whole."""

from __future__ import annotations

import json
import random
import time

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from runtime.errors import Misconfigured
from runtime.secrets.mask import masked, masked_cut, masked_json, placeholder, replaced, without_halves
from runtime.secrets.rules import load
from runtime.secrets.scan import Scanner, scanner
from tests.unit.secret_samples import KINDS, NAMED, PLACES, encoded, planted

FINDER = scanner()
SEEDS = st.integers(0, 1 << 32)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("times", range(4))
def test_planted_secrets_are_found_whole(seed: int, times: int) -> None:
    missed, all_ = [], planted(seed)
    for kind, secret, text in all_:
        data, wanted = encoded(text, times), encoded(secret, times).strip(b'"\\')
        at = data.find(wanted)
        if not any(found.start <= at and at + len(wanted) <= found.stop for found in FINDER.find(data)):
            missed.append(kind)
    assert len(KINDS) + len(NAMED) >= 60
    assert len(missed) <= 0.01 * len(all_), missed
    assert max(map(missed.count, missed), default=0) <= 2, missed


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_form_that_nothing_else_has_is_called_by_its_name(kind: str) -> None:
    secret = KINDS[kind](random.Random(1))
    (found,) = FINDER.find(f"it is {secret} and".encode())
    assert found.kind == kind.removeprefix("openssh-").removeprefix("pgp-")


ORDINARY = """
const token = await getTokenFromRequest(request)
password: string
"apiKey": process.env.OPENAI_API_KEY
API_KEY=your-api-key-here
the secret to good bread is time, the key: patience
export TOKEN=$(gh auth token)
usage = {"input_tokens": 12345, "cache_read_input_tokens": 987654}
https://github.com/pallets/flask/blob/main/src/flask/app.py#L100
git clone https://user:password@example.com/repo.git
"sessionId": "9a0f4e52-2a9f-4c8e-b9a1-0a4c7f5e8d11", "uuid": "2b1d7f0e-0000-4000-8000-000000000000"
commit 5f2b8f1c9a7d6e3b4c5a60718293a4b5c6d7e8f9
sha256:5d41402abc4b2a76b9719d911017c5925d41402abc4b2a76b9719d911017c592
def test_token_is_refreshed(self): assert self.token == other.token
password = input("Password: ")
"tool_use_id": "toolu_01A09q90qw90lq917835lq9"
docs/providers/password-store.md:333:pass
key: tests/unit/test_secrets.py::test_ordinary_texts_hold_none
ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQC7 me@host
"""


@pytest.mark.parametrize("text", ORDINARY.strip().splitlines())
def test_ordinary_texts_hold_none(text: str) -> None:
    for times in range(3):
        assert not FINDER.find(encoded(text, times))


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, times=st.integers(0, 3))
def test_placeholders_have_the_length_and_keep_json_whole(seed: int, times: int) -> None:
    dice = random.Random(seed)
    kind = dice.choice(sorted(KINDS))
    text = dice.choice(PLACES).format(KINDS[kind](dice))
    line = json.dumps({"type": "user", "message": {"content": encoded(text, times).decode()}}).encode() + b"\n"
    found = FINDER.find(line)
    assert found
    after = replaced(line, found)
    assert len(after) == len(line)
    assert json.loads(after)["type"] == "user"
    assert json.loads(masked_json(line, FINDER))["type"] == "user"
    assert not FINDER.find(after), after


@settings(max_examples=300, deadline=None)
@given(
    st.text(), st.sampled_from(["password", "token", "Bearer", "AKIA", f"-----BEGIN {'RSA'} PRIVATE KEY"]), st.text()
)
def test_any_string_stays_a_string(before: str, word: str, after: str) -> None:
    try:
        line = json.dumps([before + word, word + after, f"{word}={after}"], ensure_ascii=False).encode()
    except UnicodeEncodeError:
        assume(False)
    changed = replaced(line, FINDER.find(line))
    assert len(changed) == len(line)
    assert len(json.loads(changed)) == len(json.loads(masked_json(line, FINDER))) == 3
    assert isinstance(masked(before + word + after, FINDER), str)


def test_a_mask_says_the_kind_and_leaves_the_rest() -> None:
    secret = KINDS["github-pat"](random.Random(1))
    assert masked(f"use {secret} – now", FINDER) == "use [secret: github-pat] – now"


def test_placeholders_say_what_there_is_room_for() -> None:
    wanted = [b"***", b"[redacted]", b"[redacted***]", b"[redacted:jwt*]"]
    assert [placeholder("jwt", len(words)) for words in wanted] == wanted


def test_escaped_characters_stay_whole() -> None:
    line = rb'{"a": "password=\u00e9abc123xyz", "b": "token: \\\"Q7w8E9r0T1y2U3i4\\\" \u0041"}'
    assert json.loads(replaced(line, FINDER.find(line)))["b"].endswith("A")


def test_rules_of_gitleaks_can_be_added(tmp_path) -> None:
    file = tmp_path / "gitleaks.toml"
    file.write_text(
        """title = "x"
[allowlist]
paths = ['x']
[[rules]]
id = "house-token"
description = "Ours"
regex = '''\\bhouse-([0-9a-f]{8})\\b'''
secretGroup = 1
keywords = ["house-"]
[[rules.allowlists]]
stopwords = ["dead"]
[[rules]]
id = "only-a-path"
path = '''\\.pem$'''
"""
    )
    finder = Scanner(load(str(file)))
    assert [secret.kind for secret in finder.find(b"a house-12ab34cd b house-deadbeef")] == ["house-token"]


@pytest.mark.parametrize("text", ["[[rules]]\nid='x'\nregex='('", "[[rules]", "[[rules]]\nid=1\nregex='a'"])
def test_rules_that_cannot_be_read_are_named(tmp_path, text: str) -> None:
    file = tmp_path / "r.toml"
    file.write_text(text)
    with pytest.raises(Misconfigured, match=r"MNEMO_SECRET_RULES.*r\.toml"):
        load(str(file))


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
