from .checks import Check, CheckError, Checks, NotApplicableError
from .conformance import CHECKS, Case, conformance_cases
from .dataset_checks import check_dataset
from .encoder_checks import check_encoder
from .head_checks import check_head
from .loss_checks import check_loss
from .metric_checks import check_metric
from .plugin_checks import PLUGIN_CHECKS, check_plugin
from .pytest import conformance_tests
from .report import CheckResult, ConformanceError, Report, Status
from .subject import Example

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
