"""Small modules, and layers of ``torch.nn`` as data."""

from quaterion_core.modules.simple import ActivationFromFnName, UnitLength

__all__ = ["ActivationFromFnName", "UnitLength"]
