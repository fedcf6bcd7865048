"""The logger of Weights & Biases, which is there only where its package is installed."""

from typing import Any


def __getattr__(name: str) -> Any:
    """Return Lightning's logger.

    Raises:
        ImportError: The package is not installed: Lightning tells only when a logger is made.
    """
    if name != "WandbLogger":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import wandb  # noqa: F401
    from pytorch_lightning.loggers import WandbLogger

    return WandbLogger
