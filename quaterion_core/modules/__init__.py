"""Small modules, and layers of ``torch.nn`` as data."""

from quaterion_core.modules.simple import ActivationFromFnName

__all__ = ["ActivationFromFnName"]
