"""A helper process: it answers, rests, comes back, and ends with whoever asks it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from mnemostream.runtime.process.helper import Helper, Lost
from tests.conftest import ROOT, eventually
from tests.echoing_helper import Answered, Asked, Start


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return "tests.echoing_helper"


async def test_it_answers_rests_and_comes_back(module: str) -> None:
    helper: Helper[Answered] = Helper(module, Start(3), Answered, 0.3)
    answers = await asyncio.gather(*(helper.ask(lambda n, v=v: Asked(n, v)) for v in range(1, 6)))  # type: ignore[misc]
    assert [each.value for each in answers] == [3, 6, 9, 12, 15]
    (pid,) = {each.pid for each in answers}

    async def gone() -> None:
        assert not psutil.pid_exists(pid)

    await eventually(gone, 30)
    again = await helper.ask(lambda n: Asked(n, 7))
    assert (again.value, again.pid != pid) == (21, True)
    await helper.close()
    assert not psutil.pid_exists(again.pid)


async def test_who_waits_for_one_that_dies_is_told_and_the_next_question_starts_another(module: str) -> None:
    helper: Helper[Answered] = Helper(module, Start(1), Answered, 0.0)
    waiting = asyncio.create_task(helper.ask(lambda n: Asked(n, 0)))  # never answered
    with pytest.raises(Lost, match="code 3"):
        await helper.ask(lambda n: Asked(n, -1))
    with pytest.raises(Lost):
        await waiting
    assert (await helper.ask(lambda n: Asked(n, 2))).value == 2
    await helper.close()


async def test_who_gives_up_at_any_moment_leaves_nothing_behind(module: str) -> None:
    helper: Helper[Answered] = Helper(module, Start(1), Answered, 0.0)
    for turns in range(12):
        asked = asyncio.create_task(helper.ask(lambda n: Asked(n, 1)))
        for _ in range(turns):
            await asyncio.sleep(0)
        asked.cancel()
        await asyncio.wait([asked])
    assert (await helper.ask(lambda n: Asked(n, 5))).value == 5
    await helper.close()
    left = [one for one in psutil.Process().children() if module in " ".join(one.cmdline())]
    assert left == []


async def test_it_does_not_rest_while_a_question_waits(module: str) -> None:
    helper: Helper[Answered] = Helper(module, Start(1), Answered, 0.2)
    pid = (await helper.ask(lambda n: Asked(n, 1))).pid
    waiting = asyncio.create_task(helper.ask(lambda n: Asked(n, 0)))
    await asyncio.sleep(1.0)
    assert psutil.pid_exists(pid)
    await helper.close()
    with pytest.raises(Lost):
        await waiting
    with pytest.raises(Lost):
        await helper.ask(lambda n: Asked(n, 1))


def test_it_ends_with_the_process_that_asks_also_when_that_is_killed(module: str, tmp_path: Path) -> None:
    asker = tmp_path / "asker.py"
    asker.write_text(
        textwrap.dedent("""
        import asyncio, os, signal
        from tests.echoing_helper import Answered, Asked, Start
        from mnemostream.runtime.process.helper import Helper
        async def main():
            helper = Helper("tests.echoing_helper", Start(1), Answered, 0.0)
            print((await helper.ask(lambda n: Asked(n, 1))).pid, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        asyncio.run(main())
    """)
    )
    done = subprocess.run([sys.executable, "-W", "ignore", str(asker)], capture_output=True, text=True)
    pid = int(done.stdout)

    async def gone() -> None:
        assert not psutil.pid_exists(pid)

    asyncio.run(eventually(gone, 30))
