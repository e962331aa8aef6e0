"""Windows for the rules of docs/status.md: the proof table, and random ones."""

# long file: one proof table, with a row for every edge of every rule

from __future__ import annotations

import os

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from mnemostream.contracts.events import Heartbeat, Phase, Stage
from mnemostream.contracts.vitals import WatcherVitals, WriterVitals
from mnemostream.services.health.judge.beats import Instance
from mnemostream.services.health.judge.window import Lag, Sample, StageWindow, StorageState

NOW = 100_000.0


CASES = int(os.environ.get("MNEMO_TEST_WINDOWS", "1500"))


def beat(failures: int = 0, **more: object) -> Heartbeat:
    facts = {
        "stage": Stage.WRITER,
        "instance": "w",
        "boot_id": "b1",
        "sequence": 1,
        "sent_at": NOW,
        "phase": Phase.RUNNING,
        "interval_seconds": 5.0,
        "uptime_seconds": 1000.0,
        "pid": 1,
        "service_version": "0",
        "consecutive_failures": failures,
        "last_progress_at": NOW - 1,
    }
    return Heartbeat(**{**facts, **more})  # type: ignore[arg-type]


def idle(age: float = 0.0, failures: int = 0) -> Instance:
    """One that has had nothing to do for long."""
    return one(age, failures, last_progress_at=NOW - 3600)


def one(age: float = 0.0, failures: int = 0, crashes: tuple[float, ...] = (), **more: object) -> Instance:
    """An instance whose last beat is `age` seconds old; `crashes` are seconds ago."""
    at = NOW - age
    return Instance(beat(failures, **more), at, at - 500, crashes=tuple(NOW - ago for ago in crashes))


def window(*instances: Instance, samples: tuple[Sample, ...] = (), **more: object) -> StageWindow:
    named = {f"w{n}": instance for n, instance in enumerate(instances)}
    facts = {"stage": Stage.WRITER, "instances": named, "samples": samples, "started": 0.0, "grace": 45.0}
    return StageWindow(**{**facts, **more})  # type: ignore[arg-type]


def waiting(
    seconds: float = 34.0, *, done: int = 0, grows: int = 0, lag: int = 900, in_hand: int = 0, progress: float = 0.0
) -> tuple[Sample, ...]:
    """A sample every 2 s: `lag` that waits, growing by `grows`, while `done` pieces are finished each time. A thousand
    may be in hand."""
    steps = int(seconds // 2)
    return tuple(
        Sample(NOW - 2 * (steps - n), Lag(lag + grows * n, in_hand), done * n, progress * n, in_hand >= 1000)
        for n in range(steps + 1)
    )


def blind(seconds: float, **more: object) -> Instance:
    """One that beats and has not looked for work for so long."""
    return msgspec.structs.replace(one(**more), unpolled=seconds)  # type: ignore[arg-type]


def old(grows: int, *, age: float = 600, last: tuple[int, ...] = ()) -> dict[str, object]:
    """Work that waits for `age` seconds, and the least of it in each of ten minutes."""
    floors = (*(900 + grows * n for n in range(10 - len(last))), *last)
    return {"samples": waiting(done=1), "oldest_at": NOW - age, "minute_minima": floors}


def stopped(ago: float) -> Instance:
    return one(ago, phase=Phase.STOPPED)


def again(
    what: str, ago: float, *, crashes: tuple[float, ...] = (), beside: Instance | None = None, seen: float = 110.0
) -> StageWindow:
    """One that told of something so long ago, in samples that reach back `seen` seconds."""
    told = msgspec.structs.replace(one(crashes=crashes), **{what: NOW - ago})
    return window(told, *([beside] if beside else []), samples=waiting(seen, lag=0))


def at(age: float, *, edge: bool) -> Instance:
    """A watcher that has something to ship, beside the server or elsewhere."""
    return one(age, stage=Stage.WATCHER, vitals=WatcherVitals(edge=edge, backlog_bytes=9))


def watched(*instances: Instance, **more: object) -> StageWindow:
    return window(*instances, stage=Stage.WATCHER, **more)


STARTING = {"phase": Phase.STARTING}


FULL = StorageState("TRANSCRIPTS", 99, 100)


FILLING = StorageState("TRANSCRIPTS", 85, 100)


DISK_FULL = StorageState(disk="postgres", disk_free_bytes=100 << 20, disk_known=True)


DISK_LOW = StorageState(disk="postgres", disk_free_bytes=1 << 30, disk_known=True)


# To add a row: code of the rule that must answer, why the row is here, the window, the status.
PROOF = [
    ("BusUnreachable", "nothing can be known without the bus", window(one(), bus_error="timeout"), "unknown"),
    (
        "BusUnreachable",
        "the bus hides even a dead stage: its cause is named once",
        window(one(500), bus_error="x"),
        "unknown",
    ),
    ("DatabaseUnreachable", "the writer needs the database", window(one(), database_error="refused"), "unhealthy"),
    ("Healthy", "the others do not", window(one(), stage=Stage.WATCHER, database_error="refused"), "healthy"),
    (
        "TopologyDrift",
        "a deleted or paused consumer looks idle from inside",
        window(one(), topology_error="is missing"),
        "unhealthy",
    ),
    (
        "MessagesEvicted",
        "messages that left the log unprocessed are lost work",
        window(one(), evicted="3 messages left"),
        "unhealthy",
    ),
    ("NoInstance", "we have only just begun to listen", window(started=NOW - 10), "unknown"),
    ("NoInstance", "nobody was ever heard", window(), "unhealthy"),
    ("NoInstance", "edges do not stand for a watcher here", watched(at(0, edge=True)), "unhealthy"),
    ("NoInstance", "it may beat in a moment", watched(at(0, edge=True), started=NOW - 10), "unknown"),
    (
        "FilesUnreadable",
        "an edge that is away hides nothing",
        watched(one(stage=Stage.WATCHER, vitals=WatcherVitals(unreadable_files=2)), at(500, edge=True)),
        "degraded",
    ),
    (
        "Healthy",
        "an edge that fails is no outage here",
        watched(at(0, edge=False), one(failures=9, stage=Stage.WATCHER, vitals=WatcherVitals(edge=True))),
        "healthy",
    ),
    ("Healthy", "no watcher is wanted here", watched(at(0, edge=True), unwanted=True), "healthy"),
    (
        "HeartbeatsStopped",
        "an edge that beats does not hide a dead watcher",
        watched(at(25, edge=False), at(0, edge=True), samples=waiting()),
        "unhealthy",
    ),
    (
        "EdgeAway",
        "an edge that is away is no outage",
        watched(at(0, edge=False), at(500, edge=True), samples=waiting(done=1)),
        "degraded",
    ),
    (
        "EdgeAway",
        "nor are all of them",
        watched(at(500, edge=True), at(400, edge=True), unwanted=True, samples=waiting()),
        "degraded",
    ),
    ("NoInstance", "all said goodbye and work waits", window(stopped(40), samples=waiting()), "unhealthy"),
    ("NoInstance", "one should run by setting", window(stopped(40), desired=1), "unhealthy"),
    (
        "NoInstance",
        "without a watcher nothing is captured, and nobody could tell",
        window(stopped(40), stage=Stage.WATCHER),
        "unhealthy",
    ),
    ("Healthy", "all had said goodbye before we began to listen", window(goodbye_at=NOW - 4000), "healthy"),
    ("NoInstance", "so had they, and work waits", window(goodbye_at=NOW - 4000, samples=waiting()), "unhealthy"),
    ("Healthy", "scaled down to zero on request, nothing waits", window(stopped(4000)), "healthy"),
    ("Healthy", "an orderly restart is no alarm", window(stopped(5), stage=Stage.WATCHER), "healthy"),
    (
        "HeartbeatsStopped",
        "killed or frozen with work: silent for 20 s",
        window(one(20), samples=waiting()),
        "unhealthy",
    ),
    (
        "HeartbeatsStopped",
        "a watcher fell silent in the midst of a session",
        window(one(20), stage=Stage.WATCHER),
        "unhealthy",
    ),
    ("Healthy", "19 s of silence are no proof yet", window(one(19), samples=waiting(20)), "healthy"),
    ("Healthy", "silent for 20 s without work: the published table decides", window(idle(21)), "healthy"),
    ("WorkStalled", "beats go on, nothing finishes", window(one(), samples=waiting()), "unhealthy"),
    ("Healthy", "28 s of it are no proof yet", window(one(), samples=waiting(28)), "healthy"),
    ("Healthy", "pieces are finished", window(one(), samples=waiting(done=1)), "healthy"),
    ("Healthy", "one huge piece is worked on part by part", window(one(), samples=waiting(progress=1.0)), "healthy"),
    ("Healthy", "a model is being loaded", window(one(uptime_seconds=100.0, **STARTING), samples=waiting()), "healthy"),
    (
        "WorkStalled",
        "it has been starting for 2 minutes",
        window(one(uptime_seconds=130.0, **STARTING), samples=waiting()),
        "unhealthy",
    ),
    ("WorkStalled", "beats go on, and nobody looks at the disk", window(blind(30), stage=Stage.WATCHER), "unhealthy"),
    ("WorkStalled", "beats go on, and nobody asks for work", window(blind(31), blind(90)), "unhealthy"),
    (
        "WorkStalled",
        "one is gone and the other does not look",
        window(one(40), blind(31), stage=Stage.WATCHER),
        "unhealthy",
    ),
    ("Healthy", "29 s of it are no proof yet", window(blind(29.9), stage=Stage.WATCHER), "healthy"),
    ("RestartLoop", "three crashes in five minutes", window(one(crashes=(200.0, 90.0, 2.0))), "unhealthy"),
    ("Healthy", "a crash loop that ended 91 s ago", window(one(crashes=(200.0, 150.0, 91.0))), "healthy"),
    ("StorageFull", "its stream is full", window(one(), storage=FULL), "unhealthy"),
    ("StorageFull", "its disk is full", window(one(), storage=DISK_FULL), "unhealthy"),
    ("HeartbeatStale", "121 s without a heartbeat", window(one(121)), "unhealthy"),
    ("FailingRepeatedly", "five failures", window(one(failures=5)), "unhealthy"),
    ("FailingRepeatedly", "five failures of the worst instance", window(one(), one(failures=5)), "unhealthy"),
    ("InstanceVanished", "one of two fell silent without a goodbye", window(one(), one(30)), "degraded"),
    ("Healthy", "29 s of it are no proof yet", window(one(), one(29)), "healthy"),
    (
        "InstanceVanished",
        "one of two fell silent while work waits",
        window(one(), one(31), samples=waiting(done=1)),
        "degraded",
    ),
    ("InstanceVanished", "two should run", window(one(), desired=2), "degraded"),
    ("Healthy", "one of two is being replaced", window(one(), stopped(20), desired=2), "healthy"),
    ("InstanceVanished", "nobody came in its place", window(one(), stopped(30), desired=2), "degraded"),
    ("Healthy", "one of two said goodbye", window(one(), stopped(3)), "healthy"),
    (
        "InstanceStuck",
        "one of two holds work and finishes nothing",
        window(one(), one(in_flight=9, oldest_in_flight_seconds=60.0)),
        "degraded",
    ),
    (
        "Healthy",
        "59 s of it are no proof yet",
        window(one(), one(in_flight=9, oldest_in_flight_seconds=59.0)),
        "healthy",
    ),
    ("InstanceStuck", "one of two does not ask for work", window(one(), blind(30)), "degraded"),
    ("InstanceCrashed", "it was killed and runs again", window(one(crashes=(20.0,))), "degraded"),
    ("Healthy", "that is over after half a minute", window(one(crashes=(31.0,))), "healthy"),
    ("ConsumerRecreated", "its consumer was made anew", window(one(), recreated="consumer was made anew"), "degraded"),
    ("DeadLettersGrew", "something was given up", window(one(), dead_letters_recent=1), "degraded"),
    ("Healthy", "what was given up long ago is a number, no status", window(one(), dead_letters=3), "healthy"),
    ("BacklogGrowing", "more comes in than goes out", window(one(), samples=waiting(64, done=1, grows=5)), "degraded"),
    (
        "Healthy",
        "during an import that is the plan",
        window(one(), samples=waiting(64, done=1, grows=5), importing=True),
        "healthy",
    ),
    ("BacklogGrowing", "old work waits and does not become less", window(one(), **old(0)), "degraded"),
    ("BacklogGrowing", "the same with batches: the least of each minute counts", window(one(), **old(5)), "degraded"),
    ("Healthy", "old work waits and becomes less: catching up", window(one(), **old(-5)), "healthy"),
    ("Healthy", "old work has begun to become less", window(one(), **old(0, last=(890, 880))), "healthy"),
    ("Healthy", "work of 9 minutes is not old yet", window(one(), **old(0, age=540)), "healthy"),
    ("Healthy", "nor is it in an import", window(one(), importing=True, **old(0)), "healthy"),
    ("Healthy", "draining", window(one(), samples=waiting(64, done=9, grows=-9)), "healthy"),
    (
        "Saturated",
        "all that may be in hand is in hand",
        window(one(), samples=waiting(done=1, in_hand=1000), ack_limit=1000),
        "degraded",
    ),
    ("Saturated", "its event loop has no time", window(one(loop_lag_seconds=5.0)), "degraded"),
    ("StorageFilling", "its stream fills", window(one(), storage=FILLING), "degraded"),
    ("StorageFilling", "its disk fills", window(one(), storage=DISK_LOW), "degraded"),
    (
        "FilesUnreadable",
        "files that nobody can read are not saved",
        window(one(vitals=WatcherVitals(unreadable_files=2))),
        "degraded",
    ),
    (
        "FilesUnreadable",
        "nor are those in folders that nobody can list",
        window(one(vitals=WatcherVitals(unlistable_folders=1))),
        "degraded",
    ),
    (
        "FolderLost",
        "what is written to a folder that is gone is not saved",
        window(one(vitals=WatcherVitals(missing_folders=1, missing_transcripts=3, missing="/x (held 3 transcripts)"))),
        "unhealthy",
    ),
    (
        "FolderMissing",
        "a named folder is not there yet, or one is empty that was not",
        window(one(vitals=WatcherVitals(missing_folders=1, missing="/x"))),
        "degraded",
    ),
    (
        "RowsMissing",
        "the log holds what no message brings to the database",
        window(one(last_progress_at=0.0), rows_missing=7, rows_missing_seconds=30.0),
        "unhealthy",
    ),
    (
        "Healthy",
        "the last rows may not be counted yet",
        window(one(), rows_missing=7, rows_missing_seconds=29.0),
        "healthy",
    ),
    (
        "Healthy",
        "an event loop lagged while the machine paused",
        window(one(loop_lag_seconds=40.0), resumed_at=NOW - 5),
        "healthy",
    ),
    (
        "IndexingFails",
        "what is stored is not found when it is no longer the newest",
        window(one(vitals=WriterVitals(unindexed=70, indexing_failed="DiskFullError"))),
        "degraded",
    ),
    ("Healthy", "an index that is behind follows", window(one(vitals=WriterVitals(unindexed=9000))), "healthy"),
    ("PullsRefused", "a refused pull looks like idleness from inside", again("refused_at", 10), "degraded"),
    ("Healthy", "and is history a minute later", again("refused_at", 61), "healthy"),
    ("Redelivered", "a message came twice and nothing failed", again("redelivered_at", 10), "degraded"),
    ("Healthy", "it is history half a minute later", again("redelivered_at", 31), "healthy"),
    ("InstanceCrashed", "a crash explains it", again("redelivered_at", 10, crashes=(20.0,)), "degraded"),
    ("Healthy", "a crash of a while ago, too", again("redelivered_at", 10, crashes=(95.0,)), "healthy"),
    ("Healthy", "so does a goodbye", again("redelivered_at", 10, beside=stopped(90)), "healthy"),
    ("Healthy", "so does a bus that is back for a short time only", again("redelivered_at", 10, seen=60.0), "healthy"),
    ("HeartbeatLate", "60 s without a heartbeat", window(one(60)), "degraded"),
    ("Failing", "one failure", window(one(failures=1)), "degraded"),
    (
        "BacklogUnknown",
        "watchers run and none tells what it has not shipped",
        window(one(), stage=Stage.WATCHER, samples=(Sample(NOW, Lag(known=False), 0),)),
        "unknown",
    ),
    (
        "Healthy",
        "its first report may take a while",
        window(one(uptime_seconds=9.0), stage=Stage.WATCHER, samples=(Sample(NOW, Lag(known=False), 0),)),
        "healthy",
    ),
    ("Healthy", "idle is healthy", window(one(last_progress_at=0.0)), "healthy"),
    ("Healthy", "starting is healthy", window(one(**STARTING)), "healthy"),
]


PUBLISHED = [
    *((f"heartbeat {age} s", idle(age), "healthy") for age in (0, 59, 59.999)),
    *((f"heartbeat {age} s", idle(age), "degraded") for age in (60, 61, 119, 120)),
    *((f"heartbeat {age} s", idle(age), "unhealthy") for age in (120.001, 121, 4000)),
    ("0 failures", idle(failures=0), "healthy"),
    *((f"{count} failures", idle(failures=count), "degraded") for count in (1, 4)),
    *((f"{count} failures", idle(failures=count), "unhealthy") for count in (5, 50)),
    ("60 s and 5 failures", idle(60, 5), "unhealthy"),
    ("121 s and 1 failure", idle(121, 1), "unhealthy"),
]


# --- random windows -----------------------------------------------------------------------------------------------

ages = st.floats(0, 500)


words = st.sampled_from(["", "", "", "a fault"])


beats = st.builds(
    beat,
    failures=st.integers(0, 9),
    phase=st.sampled_from(Phase),
    uptime_seconds=st.floats(0, 1000),
    in_flight=st.integers(0, 3),
    oldest_in_flight_seconds=st.floats(0, 100),
    loop_lag_seconds=st.floats(0, 10),
    last_progress_at=st.floats(0, NOW),
    last_error=words,
    vitals=st.sampled_from(
        [
            None,
            WatcherVitals(backlog_bytes=0),
            WatcherVitals(unreadable_files=1),
            WatcherVitals(unlistable_folders=1),
            WatcherVitals(missing_folders=1),
            WatcherVitals(missing_folders=1, missing_transcripts=1),
            WatcherVitals(paused="the log is full"),
        ]
    ),
)


instances = st.builds(
    Instance,
    beat=beats,
    at=ages.map(lambda age: NOW - age),
    first_at=st.just(0.0),
    carried=st.integers(0, 6),
    crashes=st.lists(ages.map(lambda age: NOW - age), max_size=4).map(tuple),
    unpolled=st.sampled_from([0.0, 0.0, 30.0, 200.0]),
)


unknown_lag = st.just((Sample(NOW - 40, Lag(known=False), 0), Sample(NOW, Lag(known=False), 0)))
samples = unknown_lag | st.builds(
    waiting,
    seconds=st.floats(0, 120),
    done=st.integers(0, 2),
    grows=st.integers(-20, 20),
    lag=st.sampled_from([0, 1, 5000]),
    in_hand=st.sampled_from([0, 1000]),
    progress=st.sampled_from([0.0, 1.0]),
)


windows = st.builds(
    StageWindow,
    stage=st.sampled_from([Stage.WATCHER, Stage.EMBEDDER, Stage.WRITER]),
    instances=st.dictionaries(st.sampled_from("abc"), instances, max_size=3),
    samples=samples,
    started=st.sampled_from([0.0, NOW - 10]),
    grace=st.just(45.0),
    bus_error=words,
    database_error=words,
    topology_error=words,
    evicted=words,
    recreated=words,
    oldest_at=st.sampled_from([0.0, NOW - 70, NOW - 700]),
    minute_minima=st.sampled_from([(), (900,) * 10, tuple(range(10, 0, -1))]),
    goodbye_at=st.sampled_from([0.0, 0.0, NOW - 90]),
    desired=st.integers(0, 3),
    dead_letters_recent=st.integers(0, 1),
    ack_limit=st.sampled_from([0, 1000]),
    importing=st.booleans(),
    storage=st.sampled_from([StorageState(), FULL, FILLING, DISK_LOW, DISK_FULL]),
)


many = settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))


def older(instance: Instance, by: float) -> Instance:
    return msgspec.structs.replace(instance, at=instance.at - by)


def failing(instance: Instance, more: int) -> Instance:
    return msgspec.structs.replace(instance, carried=instance.carried + more)
