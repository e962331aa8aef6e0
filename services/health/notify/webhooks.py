"""Alerts to where people look: JSON to any receiver, messages to Slack and Discord.

Each receiver has a queue and a task of its own, so that one that hangs keeps nobody waiting. Delivered means an
answer of 2xx whose body does not say otherwise, within the time limit; a redirect is not followed. Else it is tried
again, later each time, and given up after a while, which is counted. The URL holds secrets: it is never logged.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import random
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import msgspec

from mnemostream.contracts.codec import iso
from mnemostream.runtime.logs import Log
from mnemostream.services.health.notify.alerts import Alert
from mnemostream.services.health.notify.targets import Target

log = Log("mnemo.health.webhooks")

TIMEOUT = 5.0
TRIES = 8
BACKOFF_SECONDS, LONGEST_SECONDS = 1.0, 60.0
QUEUE = 100
BODY_BYTES = 64 * 1024
COLOURS = {"healthy": 0x2E9E5B, "degraded": 0xD9A400, "unhealthy": 0xC8372D}


def body(kind: str, alert: Alert) -> dict[str, Any]:
    """What is sent."""
    if kind == "json":
        times = {"at": iso(alert.at), "fault_since": iso(alert.fault_since) if alert.fault_since else None}
        return {**msgspec.to_builtins(alert), **times, "text": headline(alert), "service": "mnemostream"}
    if kind == "slack":
        return {"text": _plain(f"{headline(alert)}{_next(alert)}")}
    colour = COLOURS.get(alert.status, 0x808080)
    title, text = headline(alert)[:256], f"{alert.cause[:2000]}{_next(alert)}"
    embed = {"title": title, "description": text, "color": colour, "timestamp": iso(alert.at)}
    return {"embeds": [embed], "allowed_mentions": {"parse": []}}  # a hostile cause mentions nobody


def headline(alert: Alert) -> str:
    """One line for people."""
    if alert.resolved:
        return f"Mnemostream: {alert.component} is healthy again after {alert.seconds:.0f} s"
    return f"Mnemostream: {alert.component} is {alert.status}: {alert.cause}"


def _next(alert: Alert) -> str:
    return f"\n→ {alert.next_step}" if alert.next_step else ""


def _plain(text: str) -> str:
    """Slack's three control characters, https://docs.slack.dev/messaging/formatting-message-text."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class Sender:
    """The queue of one receiver. `run` delivers until cancelled; `delivered_to` hears of each alert that was taken."""

    def __init__(self, target: Target, delivered_to: Callable[[Alert], None] = lambda alert: None) -> None:
        self.target = target
        self.delivered_to = delivered_to
        self.timeout = TIMEOUT
        self.backoff = BACKOFF_SECONDS
        self.queue: asyncio.Queue[Alert] = asyncio.Queue(QUEUE)
        self.delivered = 0
        self.failed = 0
        """Tries that failed."""
        self.dropped = 0
        """Alerts that were given up."""
        self._last = ""

    def put(self, alert: Alert) -> None:
        """Takes an alert; the oldest one goes when there are too many. An alert that was taken last is dropped."""
        if alert.id == self._last:
            return
        self._last = alert.id
        if self.queue.full():
            self.queue.get_nowait()
            self.dropped += 1
        self.queue.put_nowait(alert)

    async def run(self) -> None:
        """Delivers, one alert after the other."""
        limits = httpx.Timeout(self.timeout)
        proxied = not _is_here(self.target.url)
        async with httpx.AsyncClient(timeout=limits, follow_redirects=False, trust_env=proxied) as client:
            while True:
                await self._deliver(client, await self.queue.get())

    async def _deliver(self, client: httpx.AsyncClient, alert: Alert) -> None:
        content = msgspec.json.encode(body(self.target.kind, alert))
        for attempt in range(TRIES):
            error, wait = await self._try(client, alert, content)
            if not error:
                self.delivered += 1
                self.delivered_to(alert)
                return
            self.failed += 1
            log.warning("alert not delivered", to=self.target.name, attempt=attempt, error=error)
            pause = min(LONGEST_SECONDS, self.backoff * 2**attempt)
            await asyncio.sleep(max(min(wait, LONGEST_SECONDS), pause * random.uniform(0.8, 1.2)))
        self.dropped += 1
        log.error("alert dropped", to=self.target.name, component=alert.component, status=alert.status)

    async def _try(self, client: httpx.AsyncClient, alert: Alert, content: bytes) -> tuple[str, float]:
        """Why it was not taken ("" if it was), and how long the receiver wants us to wait."""
        headers = {"content-type": "application/json", "idempotency-key": alert.id}
        try:
            async with (
                asyncio.timeout(2 * self.timeout),  # the whole answer: a receiver may send a byte a second
                client.stream("POST", self.target.url, content=content, headers=headers) as answer,
            ):
                text = b""
                async for piece in answer.aiter_raw():
                    text += piece
                    if len(text) > BODY_BYTES:
                        break
        except Exception as error:  # whatever a receiver provokes, it is an alert not delivered, and no more
            return type(error).__name__, 0.0
        if not answer.is_success:
            return f"status {answer.status_code}", _seconds(answer.headers.get("retry-after", ""))
        return _refusal(text), 0.0


def _is_here(url: str) -> bool:
    """True for a receiver on this machine, which no proxy of the environment can reach."""
    host = httpx.URL(url).host
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost" or host.endswith(".localhost")


def _refusal(text: bytes) -> str:
    """Some receivers say 200 and mean no: a JSON body with `ok` or `success` false."""
    try:
        answer = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return ""
    if isinstance(answer, dict) and (answer.get("ok") is False or answer.get("success") is False):
        return f"answered 200 but rejected the alert: {str(answer.get('error', ''))[:100]}"
    return ""


def _seconds(text: str) -> float:
    try:
        return max(0.0, float(text))
    except ValueError:
        return 0.0


def senders(receivers: Sequence[Target], delivered_to: Callable[[Alert], None]) -> list[Sender]:
    """One for each receiver."""
    return [Sender(target, delivered_to) for target in receivers]
