"""TAR@FAR, under the path that it had before it moved to core."""

from quaterion_core.eval.verification.tar_at_far import PairTarAtFar, TarAtFar

__all__ = ["PairTarAtFar", "TarAtFar"]
