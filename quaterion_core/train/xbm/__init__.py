"""Cross-batch memory."""

from quaterion_core.train.xbm.xbm_buffer import XbmBuffer
from quaterion_core.train.xbm.xbm_config import XbmConfig, XbmDevice

__all__ = ["XbmBuffer", "XbmConfig", "XbmDevice"]
