"""Parts of the causes that people read. Pure."""

from __future__ import annotations

from mnemostream.contracts.events import Stage
from mnemostream.contracts.reasons import counted
from mnemostream.contracts.vitals import WatcherVitals
from mnemostream.services.health.judge.beats import Instance
from mnemostream.services.health.judge.window import StageWindow


def backlog(w: StageWindow) -> str:
    """The waiting work, with its unit."""
    return counted(w.lag.total, "byte" if w.stage is Stage.WATCHER else "message")


def paused(w: StageWindow) -> str:
    """Why capture pauses; "" while it goes on."""
    return next((f"capture is paused: {why}" for instance in w.alive.values() if (why := instance.watcher.paused)), "")


def no_contact(stage: Stage, seconds: float) -> str:
    """What an instance does not do that looks for no work."""
    if stage is Stage.WATCHER:
        return f"has not scanned its folders for {seconds:.0f} s: hung disk or deadlock"
    return f"has had no contact with its consumer for {seconds:.0f} s"


def lost_folders(name: str, vitals: WatcherVitals) -> str:
    """Which folders are gone, and what to do."""
    folders = "a watched folder is" if vitals.missing_folders == 1 else f"{vitals.missing_folders} watched folders are"
    what = f"{name}: {folders} missing: {vitals.missing}"
    return f"{what}; mount it or put it back, or name the folders that are left with --source"


def worst_error(w: StageWindow) -> str:
    """The last error of the instance with the most failures."""
    return last_error(max(w.alive.values(), key=lambda instance: instance.failures))


def last_error(instance: Instance) -> str:
    """The last error that an instance told."""
    return instance.beat.last_error or "no success since the restart"


def span(seconds: float) -> str:
    """A duration for people.

    >>> span(40), span(400), span(8000), span(400000)
    ('40 s', '6 min', '2.2 h', '4.6 days')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86400:.1f} days"
