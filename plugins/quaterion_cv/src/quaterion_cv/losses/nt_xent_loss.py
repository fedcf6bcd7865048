"""NT-Xent, under its path before it moved to core."""

from quaterion_core.loss.nt_xent_loss import NTXentLoss

__all__ = ["NTXentLoss"]
