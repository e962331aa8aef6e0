"""What the health service knows over its restarts, in its key-value bucket, as its own user of NATS."""

from __future__ import annotations

import msgspec

from mnemostream.contracts import topology
from mnemostream.contracts.events import Stage
from mnemostream.local.nats_server import Nats
from mnemostream.runtime.bus import Bus, connect
from mnemostream.services.health.judge.memory import Eviction, HealthState
from mnemostream.services.health.observe.state import SUBJECT, StateStore

STATE = HealthState(
    at=1000.0,
    failures={"writer.w": 3},
    forgiven={"writer.w": 1},
    goodbyes={Stage.EMBEDDER: 990.0},
    evicted={"TRANSCRIPTS.writer": Eviction(980.0, "20 messages left")},
)


async def stored(bus: Bus) -> int:
    return int((await bus.stream.stream_info(topology.HEALTH_STATE.name)).state.last_seq)


async def test_the_next_process_knows_it_and_what_is_over_is_forgotten(nats: Nats, operator: Bus) -> None:
    async with connect(nats.url("health"), "health") as bus:
        first = StateStore()
        assert await first.read(bus) == HealthState()
        await first.write(bus, STATE)
        await first.write(bus, msgspec.structs.replace(STATE, at=2000.0))  # the same, a second later
        assert await stored(operator) == 1
        second = StateStore()
        assert await second.read(bus) == STATE
        await second.write(bus, HealthState(at=3000.0))  # all is well again
        assert await StateStore().read(bus) == HealthState(at=3000.0)
    value = await (await operator.stream.key_value("HEALTH")).get("state")  # as `nats kv get HEALTH state` shows it
    assert msgspec.json.decode(value.value or b"") == {"at": 3000.0}


async def test_a_state_that_nobody_understands_is_no_reason_to_stay_down(nats: Nats, operator: Bus) -> None:
    await operator.stream.publish(SUBJECT, b'{"version": 99}')
    async with connect(nats.url("health"), "health") as bus:
        assert await StateStore().read(bus) == HealthState()
