"""The dashboard in a real browser, before a real system that was fed hostile transcripts."""

from __future__ import annotations

from pathlib import Path

from mnemostream.local import system
from tests.conftest import eventually, quick
from tests.system.dashboard_page import (
    TOKEN,
    _a_conversation_is_read_by_keyboard,
    _a_dead_letter_is_retried,
    _a_lost_connection_is_told,
    _content_asks_for_the_token,
    _hostile_text_is_only_text,
    _it_fits_a_phone_and_the_dark,
    _judged,
    _long_text_is_whole,
    _news_come_without_a_reload,
    _status_and_stages_are_told,
    _the_ledger_balances,
    _the_machines_are_listed,
    _the_token_may_come_with_the_address,
    chromium,
    hostile,
    opened,
)


async def test_the_dashboard(folder: Path) -> None:
    root = folder / "projects"
    file = hostile(root)
    plan = quick([root.resolve()], folder / "data", settings={"MNEMO_HEALTH_TOKEN": TOKEN})
    async with system.running(plan, print) as running, chromium() as browser:
        url = running.endpoints.health_url
        await eventually(lambda: _judged(url), 60)  # before, every answer is a 503, which the console would show
        watched = await opened(browser, url, viewport={"width": 1440, "height": 900}, color_scheme="light")
        await _status_and_stages_are_told(watched.page)
        await _the_ledger_balances(watched.page)
        await _the_machines_are_listed(watched.page)
        await _hostile_text_is_only_text(watched.page)
        await _a_conversation_is_read_by_keyboard(watched.page)
        await _long_text_is_whole(watched.page)
        await _news_come_without_a_reload(watched.page, file)
        await _a_dead_letter_is_retried(watched.page, running)
        # A refused answer is in the console by itself.
        watched.errors = [error for error in watched.errors if "401 (Unauthorized)" not in error]
        watched.clean()
        await _the_token_may_come_with_the_address(browser, url)
        await _content_asks_for_the_token(browser, url)
        await _it_fits_a_phone_and_the_dark(browser, url)
        await _a_lost_connection_is_told(watched.page, running)
        assert (watched.strangers, watched.dialogs) == ([], [])
