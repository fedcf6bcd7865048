"""Proxy-anchor loss, under its path before it moved to core."""

from quaterion_core.loss.proxy_anchor_loss import ProxyAnchorLoss

__all__ = ["ProxyAnchorLoss"]
