"""The logger of TensorBoard, which cannot be imported without its package."""

import tensorboard  # noqa: F401  # Lightning looks for it only when a logger is made
from pytorch_lightning.loggers import TensorBoardLogger

__all__ = ["TensorBoardLogger"]
