"""What secrets look like: rules in the format of gitleaks, in RE2's syntax.

The format is documented at https://github.com/gitleaks/gitleaks#configuration; `prefilter` and `ordinary` are ours.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
import re2

from mnemostream.runtime.errors import Misconfigured

OWN = Path(__file__).with_name("rules.toml")

BYTES = re2.Options()
BYTES.encoding = re2.Options.Encoding.LATIN1
BYTES.log_errors = False
BYTES.max_mem = 64 << 20


class Allowed(msgspec.Struct, frozen=True):
    """Values that are no secret though the rule matches: expressions, and words in them."""

    regexes: list[str] = []
    stopwords: list[str] = []
    regexTarget: str = "secret"
    """`secret`, `match` or `line`: what the expressions are tried on; ours looks at the secret, or at the match."""


class Rule(msgspec.Struct, frozen=True, rename={"secret_group": "secretGroup"}):
    """One kind of secret. The secret is `secret_group`, or the first group, or all of the match."""

    id: str
    regex: str
    description: str = ""
    keywords: list[str] = []
    """A text holds the secret only if it holds one of these, in any case."""
    prefilter: list[str] = []
    """Expressions instead of the keywords, where these stand in nearly every line."""
    entropy: float = 0.0
    """Least Shannon entropy of the secret, bits per character."""
    secret_group: int = 0
    allowlists: list[Allowed] = []
    ordinary: bool = False
    """True if the rule says little: the value is looked at for being an ordinary word, a placeholder or code."""

    def filters(self) -> list[str]:
        """Expressions of which one must match before the rule is tried."""
        return self.prefilter or [f"(?i){re2.escape(word)}" for word in self.keywords] or [self.regex]


class _File(msgspec.Struct):
    rules: list[msgspec.Raw] = []


def load(more: str = "") -> list[Rule]:
    """Our rules, and before them those of the file `more`. Raises Misconfigured."""
    return [*(_read(Path(more)) if more else []), *_read(OWN)]


def _read(file: Path) -> list[Rule]:
    try:
        tables = tomllib.loads(file.read_text("utf-8")).get("rules", [])
        rules = msgspec.convert([table for table in tables if "regex" in table], list[Rule])
    except (OSError, ValueError, msgspec.ValidationError) as error:
        raise Misconfigured(f"MNEMO_SECRET_RULES: {file}: {error}") from error
    for rule in rules:
        allowed = [expression for allowed in rule.allowlists for expression in allowed.regexes]
        for expression in (rule.regex, *rule.prefilter, *allowed):
            try:
                re2.compile(expression.encode("utf-8"), BYTES)
            except re2.error as error:
                raise Misconfigured(f"MNEMO_SECRET_RULES: {file}: rule {rule.id}: {error}") from error
    return rules
