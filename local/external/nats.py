"""A NATS of one's own: only its address is known; nobody here starts, watches or stops it."""

from __future__ import annotations

import nats.errors
import nats.js.errors

from mnemostream.runtime import bus
from mnemostream.runtime.errors import Misconfigured, Transient
from mnemostream.runtime.logs import without_password

ANSWER_SECONDS = 30.0


class ExternalNats:
    """In the place of `Nats`. One user does everything: permissions are its owner's matter."""

    def __init__(self, url: str) -> None:
        self._url = url

    def url(self, user: str) -> str:
        """The address, whoever asks."""
        return self._url

    def own_url(self, user: str) -> str:
        """The same."""
        return self._url

    system_url = ""
    """Of the system account: not known, so nothing is told of the server itself."""

    def through(self, via: int) -> ExternalNats:
        """There is no proxy in between."""
        return self

    async def ready(self) -> None:
        """Returns when it answers. Raises RuntimeError where it does not, or has no JetStream."""
        try:
            async with bus.connect(self._url, "mnemo up", within=ANSWER_SECONDS) as connection:
                await connection.stream.account_info()
        except (Transient, Misconfigured, nats.errors.Error, nats.js.errors.Error, TimeoutError) as error:
            words = str(bus.translated(error)) or "JetStream does not answer"
            raise RuntimeError(f"NATS at {without_password(self._url)}: {words}") from error
