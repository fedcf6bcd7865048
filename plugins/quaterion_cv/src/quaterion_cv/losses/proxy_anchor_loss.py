"""Proxy-anchor loss, under the path that it had before it moved to core."""

from quaterion_core.loss.proxy_anchor_loss import ProxyAnchorLoss

__all__ = ["ProxyAnchorLoss"]
