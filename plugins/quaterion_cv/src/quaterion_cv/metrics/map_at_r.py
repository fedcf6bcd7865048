"""MAP@R, under the path that it had before it moved to core."""

from quaterion_core.eval.group.map_at_r import MapAtR, map_at_r

__all__ = ["MapAtR", "map_at_r"]
