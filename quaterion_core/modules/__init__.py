"""Small torch modules, and torch's own layers as data."""

from quaterion_core.modules.simple import ActivationFromFnName

__all__ = ["ActivationFromFnName"]
