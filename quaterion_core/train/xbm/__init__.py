"""Cross-batch memory."""

from quaterion_core.train.xbm.xbm_buffer import XbmBuffer
from quaterion_core.train.xbm.xbm_config import XbmConfig, XbmDevice
from quaterion_core.train.xbm.xbm_pair_buffer import XbmPairBuffer

__all__ = ["XbmBuffer", "XbmConfig", "XbmDevice", "XbmPairBuffer"]
