"""Supervised contrastive loss, under its path before it moved to core."""

from quaterion_core.loss.sup_con_loss import SupConLoss

__all__ = ["SupConLoss"]
