"""The page to search and read, in a real browser, on transcripts of somebody who wants to break it."""

# long file: one page, looked at part by part

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.async_api import Browser, Page, expect

from mnemostream.archive.render.entries import OUTPUTS, YOU
from mnemostream.local import system
from mnemostream.services.health.http.assets import assets
from tests.conftest import answer, eventually, jsonl, prompt, quick
from tests.system.dashboard_page import BROWSER, TOKEN, WITHIN, Watched, _judged, chromium

EVIL = (
    "The **harbour** is closed.\n\n<img src=x onerror=\"document.title='owned'\"><script>alert(1)</script>\n\n"
    "[click](javascript:alert(2)) [fine](https://example.org/a)\n\n![pixel](https://tracker.example/p.png)\n\n"
    "```python\ndef harbour():\n    return '</code></pre><script>alert(3)</script>'\n```\n\n"
    "| a | b |\n|---|---|\n| 1 | <b>2</b> |\n"
)
OLD = {"timestamp": "2026-08-01T09:00:00.000Z"}

pytestmark = pytest.mark.skipif(not BROWSER, reason="no chromium here")

CONTRAST = """() => {
  const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = (c) => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = rgba(getComputedStyle(at).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255, 255];
  };
  const poor = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility() || element.closest(".spoken, .skip")) continue;
    const [a, b] = [light(rgba(getComputedStyle(element).color)), light(ground(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const name = `${element.tagName}.${element.className}`;
    if (ratio < 4.5) poor.push(`${name} ${ratio.toFixed(2)} ${element.textContent.slice(0, 40)}`);
  }
  return poor;
}"""


def transcripts(root: Path) -> None:
    folder = root / "-home-dana"
    folder.mkdir(parents=True)
    call = {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "tide --table <b>"}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": "high water at noon <script>alert(4)</script>"}
    (folder / "evil.jsonl").write_bytes(
        jsonl(
            prompt("when does the harbour open?", "p1"),
            answer({"type": "thinking", "thinking": "harbour *hours*"}, call),
            {**prompt(""), "message": {"role": "user", "content": [result]}},
            answer(EVIL),
        )
    )
    lines = [
        record
        for number in range(90)
        for record in (prompt(f"question {number} of many", **OLD), answer(f"reply {number}"))
    ]
    (folder / "long.jsonl").write_bytes(
        jsonl(prompt("the lighthouse log", "q0", **OLD), answer("begun", **OLD), *lines)
    )


async def search_page(browser: Browser, url: str, path: str = "/", **options: object) -> Watched:
    context = await browser.new_context(**options)  # type: ignore[arg-type]
    watched = Watched(await context.new_page(), url)
    await watched.page.goto(f"{url}{path}#token={quote(TOKEN)}")
    return watched


async def test_search_and_read(folder: Path) -> None:
    transcripts(folder / "projects")
    plan = quick([(folder / "projects").resolve()], folder / "d", settings={"MNEMO_HEALTH_TOKEN": TOKEN})
    async with system.running(plan, print) as running, chromium() as browser:
        url = running.endpoints.health_url
        await eventually(lambda: _judged(url), 60)
        watched = await search_page(browser, url, viewport={"width": 1440, "height": 900}, color_scheme="light")
        page = watched.page
        await expect(page.locator("#hits a")).to_have_count(2, timeout=WITHIN)
        await expect(page.locator("#found-count")).to_have_text("2 of 2")
        await expect(page.locator("#status-words")).to_have_text("Healthy", timeout=WITHIN)
        await _found_as_one_types(page)
        await _read_by_keyboard(page, url)
        await _what_was_typed_before_a_click_is_kept(page, url)
        await _hostile_markdown_is_harmless(page)
        await _filters_are_in_the_address(page)
        await _a_long_session_is_read_from_the_hit_on(page)
        await _the_embedding_is_told(page)
        watched.clean()
        await _a_link_opens_what_it_names(browser, url)
        await _it_fits_and_can_be_read(browser, url)
        await _without_the_token_nothing_is_shown(browser, url)
        assert (watched.strangers, watched.dialogs) == ([], [])


async def _found_as_one_types(page: Page) -> None:
    await page.keyboard.press("Control+k")
    await page.keyboard.type("harbour")
    await expect(page.locator("#hits mark").first).to_have_text("harbour", timeout=WITHIN)
    await expect(page.locator("#found-title")).to_have_text("Results")
    assert "q=harbour" in page.url
    await page.fill("#q", "qqzzxxyy")
    await expect(page.locator("#found-count")).to_contain_text("Nothing found")
    await page.fill("#q", "harbour")
    await expect(page.locator("#hits mark").first).to_have_text("harbour")


async def _read_by_keyboard(page: Page, url: str) -> None:
    await page.locator("#found-title").click()
    await page.locator("#q").blur()
    await page.keyboard.press("j")
    assert await page.evaluate("document.activeElement.className") == "hit"
    await page.keyboard.press("Enter")
    await expect(page.locator("#session-title")).to_have_text("when does the harbour open?")
    await expect(page.locator("#entries > *")).to_have_count(4)
    assert "session=" in page.url
    await page.keyboard.press("Escape")
    await expect(page.locator("#session")).to_be_hidden()
    await page.keyboard.press("?")
    await expect(page.locator("#help")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.go_back()
    await expect(page.locator("#entries > *")).to_have_count(4)
    await page.keyboard.press("Escape")
    await page.keyboard.press("/")
    assert await page.evaluate("document.activeElement.id") == "q"
    await page.keyboard.press("Escape")
    await expect(page.locator("#hits a")).to_have_count(2)
    assert page.url == f"{url}/"


TYPES_AND_CLICKS_AT_ONCE = """() => {
  const box = document.getElementById("q");
  box.value = "harbour";
  box.dispatchEvent(new Event("input", { bubbles: true }));
  document.querySelector("#hits a").click();
}"""


async def _what_was_typed_before_a_click_is_kept(page: Page, url: str) -> None:
    await page.evaluate(TYPES_AND_CLICKS_AT_ONCE)
    await expect(page.locator("#session-title")).not_to_have_text("Loading …")
    assert "q=harbour" in page.url
    assert "session=" in page.url
    assert await page.title() == "harbour – Mnemostream"
    await expect(page.locator("#hits mark").first).to_have_text("harbour")
    await expect(page.locator("#session")).to_be_visible()
    await page.goto(url)


async def _hostile_markdown_is_harmless(page: Page) -> None:
    await page.fill("#q", "harbour")
    await expect(page.locator("#hits mark").first).to_have_text("harbour")
    await page.locator("#hits a").first.click()
    body = page.locator("#entries")
    await expect(body.locator("strong")).to_have_text("harbour")
    await expect(body.locator("table td").first).to_have_text("1")
    await expect(body.locator(".c-k").first).to_have_text("def")
    await expect(body.get_by_text("<img src=x onerror=")).to_be_visible()
    hrefs = await body.locator("a").evaluate_all("(links) => links.map((a) => a.getAttribute('href'))")
    assert [href for href in hrefs if href] == ["https://example.org/a"]
    await page.locator("details.call summary").click()
    await expect(page.locator("details.call .block pre").first).to_contain_text("tide --table <b>")
    await expect(page.locator("details.call .md")).to_contain_text("high water at noon <script>alert(4)</script>")
    await page.locator("details.thinking summary").click()
    await expect(page.locator("details.thinking em")).to_have_text("hours")
    assert await page.locator("#entries script, #entries img, #entries b").count() == 0
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.locator("#copy-resume").click()
    assert await page.evaluate("navigator.clipboard.readText()") == "cd /home/dana/src/tidepool && claude --resume evil"
    await page.locator("article .block .copy").click()
    assert (await page.evaluate("navigator.clipboard.readText()")).startswith("def harbour():")
    assert await page.title() == "harbour – Mnemostream"


async def _filters_are_in_the_address(page: Page) -> None:
    await page.fill("#q", "tide table")
    await page.select_option("#role", "tool")
    await expect(page.locator("#hits .hit-place").first).to_contain_text("tool")
    await expect(page).to_have_url(re.compile("role=tool"))
    await page.fill("#project", "nowhere")
    await expect(page.locator("#found-count")).to_contain_text("Nothing found")
    await page.locator("#reset").click()
    await expect(page.locator("#hits a").first).to_be_visible()
    assert "role" not in page.url


async def _a_long_session_is_read_from_the_hit_on(page: Page) -> None:
    await page.fill("#q", '"question 70 of many"')
    await expect(page.locator("#hits a").first).to_contain_text("question 70 of many")
    await page.locator("#hits a").first.click()
    await expect(page.locator("#entries > [data-target]").first).to_contain_text("question 70 of many")
    await page.locator("#earlier").click()
    await expect(page.locator("#entries")).to_contain_text("question 60 of many")
    while await page.locator("#earlier").is_visible():
        before = await page.locator("#entries > *").count()
        await page.locator("#earlier").click()
        await expect(page.locator("#entries > *")).not_to_have_count(before)
    while await page.locator("#later").is_visible():
        before = await page.locator("#entries > *").count()
        await page.locator("#later").click()
        await expect(page.locator("#entries > *")).not_to_have_count(before)
    await expect(page.locator("#entries > *")).to_have_count(182)


async def _the_embedding_is_told(page: Page) -> None:
    """The service's own answer, with fewer texts embedded each time less."""
    left = [900, 800, 700, 600]

    async def behind(route: Any) -> None:
        reply = await route.fetch(max_retries=3)  # the server may close an idle connection just now
        body = await reply.json()
        if left:
            body["total"].update(texts=1000, embedded=1000 - left[0])
        if len(left) > 1:
            left.pop(0)
        await route.fulfill(json=body)

    await page.route("**/v1/autosave/ledger", behind)
    await expect(page.locator("#embedding-words")).to_contain_text("of 1,000 texts embedded, about", timeout=WITHIN)
    await expect(page.locator("#embedding-words")).to_contain_text("Words are found already")
    left.clear()
    await expect(page.locator("#embedding")).to_be_hidden(timeout=WITHIN)


async def _a_link_opens_what_it_names(browser: Browser, url: str) -> None:
    watched = await search_page(browser, url, "/?q=harbour&by=exchange&session=evil&at=p1")
    await expect(watched.page.locator("#session-title")).to_have_text("when does the harbour open?", timeout=WITHIN)
    await expect(watched.page.locator("#by")).to_have_value("exchange")
    await expect(watched.page.locator("#hits a[aria-current=true]")).to_have_count(1)
    await expect(watched.page.locator("[data-target]").first).to_be_visible()
    watched.clean()
    await watched.page.context.close()


async def _it_fits_and_can_be_read(browser: Browser, url: str) -> None:
    for scheme, width in (("light", 1440), ("dark", 1440), ("light", 390), ("dark", 320)):
        size = {"width": width, "height": 844}
        watched = await search_page(browser, url, "/?q=harbour", viewport=size, color_scheme=scheme)
        page = watched.page
        await expect(page.locator("#hits mark").first).to_have_text("harbour", timeout=WITHIN)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        assert await page.evaluate(CONTRAST) == []
        await page.locator("#hits a").first.click()
        await expect(page.locator("#entries > *")).to_have_count(4)
        await page.locator("details.call summary").click()
        await page.locator("details.thinking summary").click()
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        assert await page.evaluate(CONTRAST) == []
        if width < 800:
            await page.locator("#back").click()
            await expect(page.locator("#hits a").first).to_be_visible()
        watched.clean()
        await page.context.close()


async def _without_the_token_nothing_is_shown(browser: Browser, url: str) -> None:
    page = await (await browser.new_context()).new_page()
    await page.goto(f"{url}/")
    await expect(page.locator("#found-notice")).to_contain_text("Token needed", timeout=WITHIN)
    assert await page.locator("#hits a").count() == 0
    await page.locator("#found-notice button").click()
    await page.fill("#asker-input", TOKEN)
    await page.keyboard.press("Enter")
    await expect(page.locator("#hits a")).to_have_count(2, timeout=WITHIN)
    await page.context.close()


@pytest.mark.parametrize(("name", "kinds"), [("YOU", YOU), ("OUTPUTS", OUTPUTS)])
def test_the_page_tells_who_wrote_as_the_other_readers_do(name: str, kinds: frozenset[str]) -> None:
    [listed] = re.findall(rf"const {name} = new Set\(\[(.*?)\]\)", assets()["search/entries.js"].decode())
    assert set(re.findall(r'"(\w+)"', listed)) == kinds


@pytest.mark.parametrize("name", ["search.html", "index.html"])
def test_pages_load_only_files_that_are_there(name: str) -> None:
    text = assets()[name].decode()
    named = re.findall(r'(?:src|href)="/autosave/([^"]+)"', text)
    modules = [
        match
        for file, data in assets().items()
        if file.endswith(".js")
        for match in re.findall(r'from "([^"]+)"', data.decode())
    ]
    assert named
    assert [file for file in named if file not in assets()] == []
    assert all(module.startswith(".") for module in modules)
