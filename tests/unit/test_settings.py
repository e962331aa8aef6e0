"""Settings: every problem at once, each with its variable and a hint."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnemostream.contracts.events import Stage
from mnemostream.runtime import provision, settings
from mnemostream.runtime.errors import Misconfigured
from mnemostream.runtime.logs import without_password
from mnemostream.runtime.process.cgroups import quotas
from mnemostream.runtime.settings import ONE_SHOTS, Common, load
from mnemostream.services.embedder.settings import Settings as Embedder
from mnemostream.services.health.settings import Settings as Health
from mnemostream.services.watcher.settings import Settings as Watcher
from mnemostream.services.writer import migrate


def test_values_come_from_variables_and_files(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("nats://u:p@h:1\n")
    found = load(
        Watcher,
        Stage.WATCHER,
        {"MNEMO_NATS_URL_FILE": str(tmp_path / "url"), "MNEMO_WATCHER_ROOTS": "/a:/b", "MNEMO_WATCHER_NOTIFY": "false"},
    )
    assert (found.nats_url, found.roots, found.notify) == ("nats://u:p@h:1", ("/a", "/b"), False)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(Misconfigured) as caught:
        load(
            Embedder,
            Stage.EMBEDDER,
            {"MNEMO_EMBEDER_MODEL": "x", "MNEMO_EMBEDDER_THREADS": "many", "MNEMO_NATS_URL_FILE": "/nowhere"},
        )
    text = str(caught.value)
    assert "did you mean MNEMO_EMBEDDER_MODEL?" in text
    assert "MNEMO_EMBEDDER_THREADS" in text
    assert "/nowhere" in text


def test_variables_of_other_services_are_not_ours() -> None:
    assert load(Watcher, Stage.WATCHER, {"MNEMO_EMBEDDER_MODEL": "x", "HOME": "/root"}) == Watcher()


def test_passwords_are_kept_out_of_logs() -> None:
    assert without_password("postgresql://a:b@h/x nats://c:d@h") == "postgresql://a:***@h/x nats://c:***@h"


def test_variables_of_the_one_shots_are_no_mistake_in_the_environment_of_a_service() -> None:
    """`MNEMO_STREAM_MAX_BYTES=… mnemo up` hands one environment to all."""
    shots = [(provision.Settings, None), (migrate.Settings, None)]
    common = {field.name for field in msgspec.structs.fields(Common)}
    fields = [field.name for kind, _ in shots for field in msgspec.structs.fields(kind)]
    own = {name.upper() for name in fields if name not in common}
    assert own == ONE_SHOTS
    environ = {f"MNEMO_{name}": "1" for name in ONE_SHOTS}
    for kind, owner in [*shots, (Watcher, Stage.WATCHER), (Health, Stage.HEALTH)]:
        load(kind, owner, environ)


def test_cores_are_bounded_by_the_quota_of_any_cgroup_above(tmp_path: Path) -> None:
    groups, mounts = tmp_path / "groups", tmp_path / "mounts"
    inner = mounts / "user.slice" / "app"
    inner.mkdir(parents=True)
    (mounts / "cpu.max").write_text("max 100000\n")
    (inner.parent / "cpu.max").write_text("150000 100000\n")
    (inner / "cpu.max").write_text("400000 100000\n")
    groups.write_text("0::/user.slice/app\n")
    assert sorted(set(quotas(groups, mounts))) == [1.5, 4.0]
    old = mounts / "cpu,cpuacct" / "docker" / "abc"
    old.mkdir(parents=True)
    (old / "cpu.cfs_quota_us").write_text("50000\n")
    (old / "cpu.cfs_period_us").write_text("100000\n")
    groups.write_text("4:cpu,cpuacct:/docker/abc\n3:memory:/elsewhere\n")
    assert list(quotas(groups, mounts)) == [1.0]
    assert list(quotas(tmp_path / "none", mounts)) == []


@given(st.lists(st.text(st.characters(exclude_characters="\0"), min_size=1)))
def test_a_list_of_any_names_comes_back(names: list[str]) -> None:
    assert settings.listed(settings.joined(names)) == names


def test_a_list_is_of_paths_or_of_json() -> None:
    assert settings.listed("/a:/b") == ["/a", "/b"]
    assert settings.listed("") == settings.listed("[]") == []
    assert settings.listed(settings.joined(["/a:b", os.fsdecode(b"/\xe9")])) == ["/a:b", os.fsdecode(b"/\xe9")]
    with pytest.raises(msgspec.ValidationError, match="a list in JSON"):
        settings.listed('["/a')
