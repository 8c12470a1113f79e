"""A measurement of one metric, and the access that it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from renderer.metric_providers.access import Access
from renderer.metric_providers.measure import measure
from renderer.rollouts.analysis.metrics import metric_of
from renderer.rollouts.analysis.run import Measurement, Task

AT = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
"""A moment in the past."""

Measured = Callable[..., Measurement]


@pytest.fixture
def measured() -> Measured:
    """Return the measurement of a provider's fields; conditions by ``success`` and ``failure``."""

    def of(
        name: str,
        fields: Mapping[str, Any],
        success: str = "",
        failure: str = "",
        access: Access | None = None,
        **more: Any,
    ) -> Measurement:
        body = {"name": "m", "provider": {name: fields}, "successCondition": success, "failureCondition": failure}
        (found,) = measure([Task(metric_of(body), more.pop("incomplete", None))], AT, access or Access(), **more)
        return found

    return of
