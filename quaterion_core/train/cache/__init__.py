"""The cache: every distinct object goes through a frozen encoder once."""

from quaterion_core.train.cache.cache_config import CacheConfig, CacheType, KeyExtractorType

__all__ = ["CacheConfig", "CacheType", "KeyExtractorType"]
