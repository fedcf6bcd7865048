"""NT-Xent, under the path that it had before it moved to core."""

from quaterion_core.loss.nt_xent_loss import NTXentLoss

__all__ = ["NTXentLoss"]
