"""Conformance checks for components and plugins.

:func:`check_encoder`, :func:`check_head`, :func:`check_loss`, :func:`check_metric` and
:func:`check_dataset` check a single component, :func:`check_plugin` checks everything that an
installed package declares; each returns a :class:`Report`. :func:`conformance_tests` turns all of
them into pytest tests.

Names are imported on first use, so that the pytest plugin in this package does not import torch,
and only :func:`conformance_tests` needs pytest.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quaterion_core.testing.checks import Check, CheckError, Checks, NotApplicableError
    from quaterion_core.testing.conformance import CHECKS, Case, conformance_cases
    from quaterion_core.testing.dataset_checks import check_dataset
    from quaterion_core.testing.encoder_checks import check_encoder
    from quaterion_core.testing.head_checks import check_head
    from quaterion_core.testing.loss_checks import check_loss
    from quaterion_core.testing.metric_checks import check_metric
    from quaterion_core.testing.plugin_checks import PLUGIN_CHECKS, check_plugin
    from quaterion_core.testing.pytest import conformance_tests
    from quaterion_core.testing.report import CheckResult, ConformanceError, Report, Status
    from quaterion_core.testing.subject import Example

__all__ = [
    "CHECKS",
    "PLUGIN_CHECKS",
    "Case",
    "Check",
    "CheckError",
    "CheckResult",
    "Checks",
    "ConformanceError",
    "Example",
    "NotApplicableError",
    "Report",
    "Status",
    "check_dataset",
    "check_encoder",
    "check_head",
    "check_loss",
    "check_metric",
    "check_plugin",
    "conformance_cases",
    "conformance_tests",
]

_HOMES = {
    "CHECKS": "conformance",
    "PLUGIN_CHECKS": "plugin_checks",
    "Case": "conformance",
    "Check": "checks",
    "CheckError": "checks",
    "CheckResult": "report",
    "Checks": "checks",
    "ConformanceError": "report",
    "Example": "subject",
    "NotApplicableError": "checks",
    "Report": "report",
    "Status": "report",
    "check_dataset": "dataset_checks",
    "check_encoder": "encoder_checks",
    "check_head": "head_checks",
    "check_loss": "loss_checks",
    "check_metric": "metric_checks",
    "check_plugin": "plugin_checks",
    "conformance_cases": "conformance",
    "conformance_tests": "pytest",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
