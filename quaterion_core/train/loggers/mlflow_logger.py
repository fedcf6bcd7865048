"""The logger of MLflow, which cannot be imported without its package."""

import mlflow  # noqa: F401  # Lightning looks for it only when a logger is made
from pytorch_lightning.loggers import MLFlowLogger

__all__ = ["MLFlowLogger"]
