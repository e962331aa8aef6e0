"""The dashboard in a real browser, looked at panel by panel."""

# long file: one page, looked at panel by panel

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from playwright.async_api import Browser, Page, Response, async_playwright, expect

from mnemostream.contracts import codec, subjects
from mnemostream.contracts.events import DeadLetter, Stage
from mnemostream.local import system
from mnemostream.runtime import bus
from mnemostream.runtime.bus import Message
from tests.conftest import answer, jsonl, prompt

BROWSER = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), "")


FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


TOKEN = "a token & its 100% #signs"


IMAGE = "<img src=x onerror=\"document.title='owned';alert(1)\"> what is this?"


SCRIPT = '</script><script>alert(2)</script><svg onload=alert(3)> "quoted" &amp; {{7*7}} javascript:alert(4)'


PROJECT = "/home/\"><b onmouseover='alert(5)'>dana</b>/it's \\ here"


TAIL = "the very last words of a very long text"


LONG = "Ünbröken" * 4000 + " " + TAIL


WITHIN = 60_000


pytestmark = pytest.mark.skipif(not BROWSER, reason="no chromium here")


class Watched:
    """A page, and all that must not happen on it."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.errors: list[str] = []
        self.strangers: list[str] = []
        self.dialogs: list[str] = []
        page.on("console", lambda message: self._said(message.type, message.text))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self._asked(request.url, origin))
        page.on("dialog", self._alerted)

    def _said(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.errors.append(text)

    def _asked(self, url: str, origin: str) -> None:
        if not url.startswith((f"{origin}/", "data:image/svg+xml,")):
            self.strangers.append(url)

    async def _alerted(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        await dialog.dismiss()

    def clean(self) -> None:
        """Nothing of that has happened; forgets what a test has looked at."""
        seen = (self.errors, self.strangers, self.dialogs)
        assert seen == ([], [], []), seen


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


def addressed(url: str) -> str:
    """With the token, as `mnemo dashboard` gives it."""
    return f"{url}/autosave#token={quote(TOKEN)}"


async def opened(browser: Browser, url: str, **options: Any) -> Watched:
    """The dashboard in a window of its own, live, as its owner opens it."""
    context = await browser.new_context(**options)
    watched = Watched(await context.new_page(), url)
    await watched.page.goto(addressed(url))
    await expect(watched.page.locator("html")).to_have_attribute("data-link", "live", timeout=WITHIN)
    return watched


def hostile(root: Path) -> Path:
    """Transcripts of somebody who wants to break the page."""
    file = root / "-home-mallory" / "session.jsonl"
    file.parent.mkdir(parents=True)
    call = {
        "type": "tool_use",
        "id": "t1",
        "name": "<i>Bash</i>",
        "input": {"command": "echo '<script>alert(6)</script>'"},
    }
    late = {"timestamp": "2026-08-01T11:00:00.000Z"}
    file.write_bytes(
        jsonl(
            prompt(LONG, "long"),
            answer("short"),
            prompt(IMAGE, "image", cwd=PROJECT, **late),
            answer(call, SCRIPT, **late),
        )
    )
    return file


async def _judged(url: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            assert (await client.get(f"{url}/v1/autosave/health")).status_code == 200
        except httpx.TransportError as error:
            raise AssertionError(error) from error


async def _status_and_stages_are_told(page: Page) -> None:
    await expect(page.locator("#status-word")).to_have_text("Healthy", timeout=WITHIN)
    await expect(page).to_have_title("✓ Healthy – Mnemostream")
    await expect(page.locator("#spoken")).to_contain_text("Status: Healthy")
    await expect(page.locator(".stage h3")).to_have_text(["Watcher", "Embedder", "Writer"])
    await expect(page.locator(".stage .badge-word")).to_have_text(["Healthy"] * 3, timeout=WITHIN)
    await expect(page.locator("#chips")).to_contain_text("Databasereachable")
    await page.locator("#instances summary").nth(1).click()
    table = page.locator("#instances details").nth(1).locator("tbody")
    await expect(table).to_contain_text("embedder-0")
    await expect(page.locator("#changes")).to_contain_text("healthy")
    assert await page.locator("#strips svg").count() == 6


async def _the_ledger_balances(page: Page) -> None:
    await expect(page.locator("#ledger .step")).to_have_count(5)
    await expect(page.locator("#ledger .joint-sign")).to_have_text(["", "=", "=", "=", "="], timeout=WITHIN)
    await expect(page.locator("#ledger-verdict")).to_have_text("balanced: nothing is missing")
    await expect(page.locator("#hourly .bar")).to_have_count(48)
    await expect(page.locator("#daily .bar")).to_have_count(30)


async def _the_machines_are_listed(page: Page) -> None:
    await page.locator("#hosts summary").click()
    row = page.locator("#hosts-rows tr")
    await expect(row).to_have_count(1, timeout=WITHIN)
    await expect(row.locator("td").nth(1)).to_have_text("server")
    await expect(row.locator("td").nth(2)).to_have_text("beating")
    await expect(row.locator("td").last).to_have_text("0 B")


async def _hostile_text_is_only_text(page: Page) -> None:
    entry = page.locator("#recent li", has_text="what is this?")
    await expect(entry.locator(".talk-prompt")).to_have_text(IMAGE, timeout=WITHIN)
    await expect(entry.locator(".talk-project")).to_have_attribute("title", PROJECT)
    assert await page.locator("main img, main b[onmouseover], main script, main i:not(.bar i)").count() == 0
    assert await page.locator("script").count() == 2


async def _a_conversation_is_read_by_keyboard(page: Page) -> None:
    await page.locator("#recent-title").focus()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    reader = page.locator("#reader")
    await expect(reader.locator("#reader-prompt")).to_have_text(IMAGE)
    await expect(reader.locator("#reader-answer")).to_have_text(SCRIPT)
    tool = reader.locator(".record", has_text="tool call").locator("details")
    await expect(tool).not_to_have_attribute("open", "")
    await tool.locator("summary").press("Enter")
    await expect(tool.locator(".words").first).to_contain_text("<script>alert(6)</script>")
    assert await reader.locator("img, script, svg, i, b").count() == 0
    await page.keyboard.press("Escape")
    await expect(reader).not_to_be_visible()
    await expect(page.locator("#recent li .talk").first).to_be_focused()


async def _long_text_is_whole(page: Page) -> None:
    await page.locator("#recent li", has_text="Ünbröken").locator(".talk").click()
    await expect(page.locator("#reader-prompt")).to_contain_text(TAIL)
    assert await page.locator("#reader-prompt").text_content() == LONG
    assert await page.evaluate("document.querySelector('#reader').scrollWidth <= innerWidth")
    await page.locator("#reader-close").click()
    await expect(page.locator("#reader")).not_to_be_visible()


async def _news_come_without_a_reload(page: Page, file: Path) -> None:
    """What is focused and open stays so."""
    await page.evaluate("window.sameOne = true")
    await page.locator("#recent li .talk").first.focus()
    with file.open("ab") as handle:
        late = {"timestamp": "2026-08-01T12:00:00.000Z"}
        handle.write(jsonl(prompt("does news arrive?", "news", **late), answer("it does", **late)))
    await expect(page.locator("#recent li .talk-prompt").first).to_have_text("does news arrive?", timeout=WITHIN)
    await expect(page.locator("#recent li", has_text="what is this?").locator(".talk")).to_be_focused()
    assert await page.locator("#instances details").nth(1).get_attribute("open") is not None
    assert await page.evaluate("window.sameOne")


async def _a_dead_letter_is_retried(page: Page, running: system.System) -> None:
    payload = b'{"type":"<script>alert(7)</script>"}'
    letter = DeadLetter(
        Stage.WRITER, "writer", "transcripts.changed.x.y", "TRANSCRIPTS", 1, 5, "no <b>such</b> event", "", payload, 1.0
    )
    async with bus.connect(running.endpoints.nats_url, "test") as connection:
        await connection.publish(Message(subjects.deadletter(Stage.WRITER), codec.encode(letter), "letter"))
    item = page.locator("#letters .letter")
    await expect(item.locator(".letter-error")).to_have_text("no <b>such</b> event", timeout=WITHIN)
    await item.locator(".payload summary").click()
    await expect(item.locator(".payload pre")).to_have_text(payload.decode())
    await expect(page.locator("#status-word")).to_have_text("Degraded", timeout=WITHIN)
    await item.locator(".retry").click()
    await expect(item.locator(".letter-state")).to_contain_text("Last outcome: ", timeout=WITHIN)
    await expect(item.locator(".payload pre")).to_be_visible()
    kept = await page.evaluate("[sessionStorage.getItem('mnemo-token'), localStorage.length, document.cookie]")
    assert kept == [TOKEN, 0, ""]


async def _given(page: Page, token: str) -> None:
    await expect(page.locator("#asker")).to_be_visible()
    assert await page.locator("#asker-input").get_attribute("type") == "password"
    await page.locator("#asker-input").fill(token)
    await page.keyboard.press("Enter")


async def _the_token_may_come_with_the_address(browser: Browser, url: str) -> None:
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(addressed(url))
    await expect(page.locator("#token-button")).to_have_text("Token ✓")
    assert page.url == f"{url}/autosave"
    assert await page.evaluate("sessionStorage.getItem('mnemo-token')") == TOKEN
    await context.close()


async def _content_asks_for_the_token(browser: Browser, url: str) -> None:
    """On loopback, too: whoever reaches the port sees the status, and no word, name or path."""
    context = await browser.new_context()
    page = await context.new_page()
    answers: list[str] = []

    async def read(response: Response) -> None:
        if "/events" not in response.url and "/v1/" in response.url:
            answers.append(await response.text())

    page.on("response", read)
    await page.goto(f"{url}/autosave")
    await expect(page.locator("html")).to_have_attribute("data-link", "live", timeout=WITHIN)
    for part in ("recent", "letters"):
        await expect(page.locator(f"#{part}-notice")).to_contain_text("Token needed")
        await expect(page.locator(f"#{part} li")).to_have_count(0)
    assert "what is this?" not in await page.content()
    assert not any("what is this?" in text or "/home/" in text for text in answers)
    await page.locator("#recent-notice button").click()
    await _given(page, "wrong")
    await expect(page.locator("#recent-notice")).to_contain_text("not accepted", timeout=WITHIN)
    await page.locator("#recent-notice button").click()
    await _given(page, TOKEN)
    await expect(page.locator("#recent li")).to_have_count(3, timeout=WITHIN)
    await expect(page.locator("#recent-notice")).to_be_empty()
    await context.close()


async def _it_fits_a_phone_and_the_dark(browser: Browser, url: str) -> None:
    grounds = set()
    for scheme, width in (("light", 390), ("dark", 390), ("dark", 320)):
        watched = await opened(browser, url, viewport={"width": width, "height": 844}, color_scheme=scheme)
        page = watched.page
        await expect(page.locator("#recent li")).to_have_count(3, timeout=WITHIN)
        await page.locator("#instances summary").nth(0).click()
        await page.locator("#letters .payload summary").click()
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        grounds.add(await page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))
        watched.clean()
        await page.context.close()
    assert len(grounds) == 2


async def _a_lost_connection_is_told(page: Page, running: system.System) -> None:
    child = running.children["health"]
    assert child.process is not None
    os.kill(child.process.pid, signal.SIGKILL)
    await expect(page.locator("#status-word")).to_have_text("Connection lost", timeout=WITHIN)
    await expect(page.locator("#reason")).to_contain_text("Last seen")
    await expect(page.locator("#spoken")).to_contain_text("Connection lost")
    await expect(page).to_have_title("✕ Connection lost – Mnemostream")
    await expect(page.locator("#content")).to_have_attribute("data-old", "")
    await expect(page.locator("html")).to_have_attribute("data-link", "live", timeout=WITHIN)
    await expect(page.locator("#status-word")).not_to_have_text("Connection lost")
    await expect(page.locator("#content")).not_to_have_attribute("data-old", "")
    assert await page.evaluate("window.sameOne")
