"""The logger of Weights & Biases, which cannot be imported without its package."""

import wandb  # noqa: F401  # Lightning looks for it only when a logger is made
from pytorch_lightning.loggers import WandbLogger

__all__ = ["WandbLogger"]
