"""The logger of MLflow, which is there only where its package is installed."""

from typing import Any


def __getattr__(name: str) -> Any:
    """Return Lightning's logger.

    Raises:
        ImportError: The package is not installed: Lightning tells only when a logger is made.
    """
    if name != "MLFlowLogger":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import mlflow  # noqa: F401
    from pytorch_lightning.loggers import MLFlowLogger

    return MLFlowLogger
