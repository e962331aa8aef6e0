"""The receivers of alerts, as the setting names them. Pure."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx
import msgspec

from mnemostream.runtime.errors import Misconfigured

KINDS = ("json", "slack", "discord")
HOSTS = {"hooks.slack.com": "slack", "discord.com": "discord", "discordapp.com": "discord"}


class Target(msgspec.Struct, frozen=True):
    """One receiver."""

    kind: str
    url: str

    @property
    def name(self) -> str:
        """For logs and metrics: the kind and the host, without path and password."""
        parts = urlsplit(self.url)
        return f"{self.kind}:{parts.hostname}" + (f":{parts.port}" if parts.port else "")


def targets(text: str) -> list[Target]:
    """The receivers named in the setting. Raises Misconfigured; its text holds no URL."""
    receivers = []
    for number, entry in enumerate(text.split(), start=1):
        kind, plus, rest = entry.partition("+")
        url = rest if plus and kind in KINDS else entry
        try:
            parts = urlsplit(url)
            good = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1) and httpx.URL(url)
            good = None if ",http" in url else good  # the separator is a blank
        except (ValueError, httpx.InvalidURL):
            good = None
        if not good or not parts.hostname:
            problem = f"MNEMO_HEALTH_WEBHOOKS: entry {number} is not an http(s) URL"
            raise Misconfigured(f"{problem}; use slack+https://…, separated by spaces")
        receivers.append(Target(kind if url is rest else HOSTS.get(parts.hostname, "json"), url))
    return receivers
