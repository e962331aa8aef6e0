"""Made-up secrets in the forms that services document, and the places where people leave them. None was ever valid."""

from __future__ import annotations

import base64
import json
import random
import string
from collections.abc import Callable

ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
UPPER = string.ascii_uppercase + string.digits
WEB = ALNUM + "-_"

Make = Callable[[random.Random], str]


def some(alphabet: str, count: int) -> Make:
    """That many characters of an alphabet."""
    return lambda dice: "".join(dice.choices(alphabet, k=count))


def join(*parts: str | Make) -> Make:
    """Constant and made parts, one after the other."""
    return lambda dice: "".join(part if isinstance(part, str) else part(dice) for part in parts)


def uuid(dice: random.Random) -> str:
    """Hex digits in the form of a UUID."""
    return "-".join("".join(dice.choices(HEX, k=size)) for size in (8, 4, 4, 4, 12))


def pem(name: str) -> Make:
    """A key in the armour of RFC 7468."""

    def made(dice: random.Random) -> str:
        body = base64.b64encode(dice.randbytes(600)).decode()
        lines = [body[at : at + 64] for at in range(0, len(body), 64)]
        return "\n".join([f"-----BEGIN {name}-----", *lines, f"-----END {name}-----"])

    return made


def jwt(dice: random.Random) -> str:
    """Three parts of a JSON web token."""
    parts = [json.dumps({"alg": "HS256", "typ": "JWT"}), json.dumps({"sub": str(dice.random()), "iat": 1516239022})]
    coded = [base64.urlsafe_b64encode(part.encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*coded, "".join(dice.choices(WEB, k=43))])


KINDS: dict[str, Make] = {
    "aws-access-key-id": join("AKIA", some("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16)),
    "github-pat": join("ghp_", some(ALNUM, 36)),
    "github-fine-grained-pat": join("github_pat_", some(ALNUM, 22), "_", some(ALNUM, 59)),
    "gitlab-token": join("glpat-", some(WEB, 20)),
    "slack-token": join("xoxb-", some("0123456789", 12), "-", some("0123456789", 12), "-", some(ALNUM, 24)),
    "slack-webhook-url": join("hooks.slack.com/services/T", some(UPPER, 8), "/B", some(UPPER, 8), "/", some(ALNUM, 24)),
    "stripe-secret-key": join("sk_live_", some(ALNUM, 24)),
    "openai-api-key": join("sk-proj-", some(WEB, 74), "T3BlbkFJ", some(WEB, 73), "A"),
    "anthropic-api-key": join("sk-ant-api03-", some(WEB, 93), "AA"),
    "gcp-api-key": join("AIza", some(WEB, 34), "a"),
    "google-oauth-client-secret": join("GOCSPX-", some(WEB, 27), "z"),
    "huggingface-token": join("hf_", some(string.ascii_letters, 34)),
    "npm-token": join("npm_", some(ALNUM, 36)),
    "pypi-token": join("pypi-AgEIcHlwaS5vcmc", some(WEB, 120)),
    "sendgrid-api-key": join("SG.", some(WEB, 22), ".", some(WEB, 42), "Q"),
    "twilio-api-key": join("SK", some(HEX, 32)),
    "mailgun-api-key": join("key-", some(HEX, 32)),
    "mailchimp-api-key": join(some(HEX, 32), "-us12"),
    "digitalocean-token": join("dop_v1_", some(HEX, 64)),
    "discord-bot-token": join("M", some(ALNUM, 25), ".", some(ALNUM, 6), ".", some(WEB, 37), "b"),
    "telegram-bot-token": join(some("123456789", 10), ":AA", some(WEB, 32), "x"),
    "shopify-token": join("shpat_", some(HEX, 32)),
    "databricks-token": join("dapi", some(HEX, 32)),
    "vault-token": join("hvs.", some(WEB, 94)),
    "terraform-cloud-token": join(some(ALNUM, 14), ".atlasv1.", some(WEB, 67)),
    "azure-ad-client-secret": join(some(ALNUM, 3), "8Q~", some(ALNUM + "~._-", 33), "s"),
    "newrelic-key": join("NRAK-", some(UPPER, 27)),
    "grafana-token": join("glsa_", some(ALNUM, 32), "_", some(HEX, 8)),
    "linear-api-key": join("lin_api_", some(ALNUM, 40)),
    "notion-token": join("ntn_", some(ALNUM, 46)),
    "airtable-pat": join("pat", some(ALNUM, 14), ".", some(HEX, 64)),
    "figma-pat": join("figd_", some(WEB, 40)),
    "postman-api-key": join("PMAK-", some(HEX, 24), "-", some(HEX, 34)),
    "pulumi-token": join("pul-", some(HEX, 40)),
    "rubygems-api-key": join("rubygems_", some(HEX, 48)),
    "docker-token": join("dckr_pat_", some(WEB, 26), "k"),
    "age-secret-key": join("AGE-SECRET-KEY-1", some("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58)),
    "groq-api-key": join("gsk_", some(ALNUM, 52)),
    "replicate-token": join("r8_", some(ALNUM, 37)),
    "supabase-key": join("sbp_", some(HEX, 40)),
    "tailscale-key": join("tskey-auth-", some(ALNUM, 12), "-", some(ALNUM, 32)),
    "jwt": jwt,
    "private-key": pem("RSA PRIVATE KEY"),
    "openssh-private-key": pem("OPENSSH PRIVATE KEY"),
    "pgp-private-key": pem("PGP PRIVATE KEY BLOCK"),
}
"""What stands by itself: a form that nothing else has."""

PLACES = (
    "{}",
    "the key is {} and it works",
    "export API_KEY={}",
    'const client = connect("{}");',
    "first line\n{}\nlast line",
    "\tvalue: '{}'",
    "curl -H 'X-Key: {}' https://api.example.com/v1",
)

NAMED: dict[str, tuple[str, Make]] = {
    "aws-secret-access-key": ("AWS_SECRET_ACCESS_KEY={}", some(ALNUM + "/+", 40)),
    "aws-secret-in-file": ("[default]\naws_secret_access_key = {}\nregion = eu-west-1", some(ALNUM + "/+", 40)),
    "password-in-env": ("DB_PASSWORD={}", some(ALNUM + "!#%", 12)),
    "password-in-yaml": ("database:\n  user: app\n  password: {}\n", some(ALNUM, 16)),
    "password-in-json": ('{{"user": "app", "password": "{}"}}', some(ALNUM, 14)),
    "api-key-in-code": ('client = Client(api_key="{}")', some(ALNUM, 32)),
    "client-secret": ("CLIENT_SECRET: {}", some(ALNUM, 40)),
    "datadog": ("DD_API_KEY={}", some(HEX, 32)),
    "heroku": ("HEROKU_API_KEY={}", uuid),
    "cloudflare": ("CLOUDFLARE_API_TOKEN={}", some(WEB, 40)),
    "database-url": ("postgres://app:{}@db.internal:5432/app", some(ALNUM, 16)),
    "redis-url": ("redis://:{}@cache:6379/0", some(ALNUM, 20)),
    "mongodb-url": ("mongodb+srv://root:{}@cluster0.abcde.mongodb.net/x", some(ALNUM, 18)),
    "azure-storage": (
        "DefaultEndpointsProtocol=https;AccountName=x;AccountKey={};EndpointSuffix=core.windows.net",
        join(some(ALNUM + "/+", 86), "=="),
    ),
    "bearer": ("Authorization: Bearer {}", some(WEB, 40)),
    "basic": ("Authorization: Basic {}", lambda dice: base64.b64encode(dice.randbytes(18)).decode()),
    "curl-user": ("curl -u admin:{} https://x.test/", some(ALNUM, 12)),
    "netrc": ("machine github.com login me password {}", some(ALNUM, 20)),
    "npmrc": ("//registry.npmjs.org/:_authToken={}", uuid),
    "sshpass": ("sshpass -p '{}' ssh host", some(ALNUM, 10)),
    "django": ("SECRET_KEY = 'django-insecure-{}'", some(ALNUM + "-_", 50)),
    "connection-string": ("Server=db;Database=x;User Id=sa;Password={};", some(ALNUM + "!", 14)),
    "wireguard": ("[Interface]\nPrivateKey = {}", lambda dice: base64.b64encode(dice.randbytes(32)).decode()),
}
"""What only its name gives away."""


def planted(seed: int) -> list[tuple[str, str, str]]:
    """(kind, secret, text with it) for every kind in every place."""
    dice = random.Random(seed)
    found = []
    for kind, make in KINDS.items():
        for place in PLACES:
            secret = make(dice)
            found.append((kind, secret, place.format(secret)))
    for kind, (place, make) in NAMED.items():
        secret = make(dice)
        found.append((kind, secret, place.format(secret)))
    return found


def encoded(text: str, times: int) -> bytes:
    """The text as it stands in a transcript: JSON in JSON, as often as wanted."""
    for _ in range(times):
        text = json.dumps(text)
    return text.encode()
