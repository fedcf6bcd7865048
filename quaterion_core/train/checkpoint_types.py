"""The project's own types that a checkpoint may hold as hyperparameters."""

from __future__ import annotations

from typing import Final

import torch

from quaterion_core.distances import Distance
from quaterion_core.train.cache.cache_config import CacheConfig, CacheType
from quaterion_core.train.xbm.xbm_config import XbmConfig, XbmDevice
from quaterion_core.utils.enums import TrainStage

CHECKPOINT_TYPES: Final = (CacheConfig, CacheType, Distance, TrainStage, XbmConfig, XbmDevice)
"""Types that ``save_hyperparameters`` may store and that load with ``weights_only=True``."""

torch.serialization.add_safe_globals([*CHECKPOINT_TYPES])
