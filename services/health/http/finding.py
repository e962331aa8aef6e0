"""The archive as the API searches and reads it: asks the search process, and starts it when there is none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar.exceptions import HTTPException, InternalServerException, NotFoundException, ServiceUnavailableException

from mnemostream.runtime.process.helper import Helper, Lost
from mnemostream.services.health.search.messages import Answered, Asked, Projects, Read, Search, Sessions, Start
from mnemostream.services.health.settings import Settings

WAITING = 100
"""Questions that may wait; more are refused."""
SECONDS = 60.0
"""For an answer, with its turn; the process itself gives up a question after 20 s of work."""
REST_SECONDS = 300.0
"""Without a question; then its memory is free until the next one, which waits half a second longer."""
FAILURES: dict[int, type[HTTPException]] = {404: NotFoundException, 500: InternalServerException}


class Finding:
    """Use `opened`."""

    def __init__(self, settings: Settings) -> None:
        start = Start(settings.postgres_dsn, settings.nats_url, settings.secret_rules)
        self._process: Helper[Answered] = Helper(
            "mnemostream.services.health.search.worker", start, Answered, REST_SECONDS
        )

    async def ask(self, question: Search | Sessions | Read | Projects, *, reveal: bool) -> bytes:
        """The answer as JSON. Raises NotFoundException, ServiceUnavailableException, InternalServerException."""
        if self._process.waiting >= WAITING:
            raise ServiceUnavailableException("too many searches are waiting; retry in a second")
        try:
            async with asyncio.timeout(SECONDS):
                answered = await self._process.ask(lambda number: Asked(number, reveal, question))
        except (OSError, TimeoutError, Lost) as error:
            raise ServiceUnavailableException(f"the search process does not answer: {error or 'timeout'}") from error
        if answered.status != 200:
            raise FAILURES.get(answered.status, ServiceUnavailableException)(answered.detail)
        return answered.body

    async def close(self) -> None:
        """Ends the process."""
        await self._process.close()


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Finding]:
    """Starts the process when first asked."""
    finding = Finding(settings)
    try:
        yield finding
    finally:
        await finding.close()
