"""The memory of the health service, in its JetStream key-value bucket."""

from __future__ import annotations

import msgspec
import nats.errors
from nats.js.errors import APIError, NotFoundError

from mnemostream.contracts import codec, topology
from mnemostream.runtime.bus import Bus
from mnemostream.runtime.errors import Transient
from mnemostream.runtime.logs import Log
from mnemostream.services.health.judge.memory import HealthState

log = Log("mnemo.health.state")

SUBJECT = topology.HEALTH_STATE.subjects[0].replace(">", "state")
"""`nats kv get HEALTH state` shows it."""


class StateStore:
    """Keeps one `HealthState`."""

    def __init__(self) -> None:
        self._kept = HealthState()

    async def read(self, bus: Bus) -> HealthState:
        """What an earlier process left; an empty one if there is none. Raises Transient."""
        try:
            last = await bus.stream.get_last_msg(topology.HEALTH_STATE.name, SUBJECT, direct=True)
            self._kept = msgspec.json.decode(last.data or b"", type=HealthState)
        except NotFoundError:
            pass  # the first process ever
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            log.warning("cannot decode the saved state; starting without it", error=str(error))
        except (APIError, nats.errors.Error, TimeoutError, OSError) as error:
            raise Transient(f"state cannot be read: {error or type(error).__name__}") from error
        return self._kept

    async def write(self, bus: Bus, state: HealthState) -> None:
        """Stores it if it says something new. Raises Transient."""
        if msgspec.structs.replace(state, at=self._kept.at) == self._kept:
            return
        try:
            await bus.stream.publish(SUBJECT, codec.encode(state), timeout=2)
        except (APIError, nats.errors.Error, TimeoutError, OSError) as error:
            raise Transient(f"state not stored: {error or type(error).__name__}") from error
        self._kept = state
