"""Fixtures of these tests."""

from __future__ import annotations

import pytest

from mnemostream.services.health.http import metrics
from tests.contract.metrics_text import (
    WEBHOOKS,
    full,
)


@pytest.fixture(scope="module")
def text() -> str:
    return metrics.render(full(), WEBHOOKS).decode()
