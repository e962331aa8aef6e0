"""Secrets are found in every place where people leave them, and what replaces them keeps a document whole."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mnemostream.runtime.errors import Misconfigured
from mnemostream.runtime.secrets.mask import masked, placeholder, replaced
from mnemostream.runtime.secrets.rules import load
from mnemostream.runtime.secrets.scan import Scanner, scanner
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
    assert len(json.loads(changed)) == 3
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
