"""Fixtures of these tests."""

from __future__ import annotations

import pytest

from mnemostream.services.health.judge.rules.verdict import Status
from tests.unit.health_world import World


@pytest.fixture
def world() -> World:
    made = World()
    assert made.steps(3).status is Status.HEALTHY
    return made
