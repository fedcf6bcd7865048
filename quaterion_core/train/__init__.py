"""Training: the trainable model and what surrounds it. Importing it imports Lightning."""

from quaterion_core.train.trainable_model import TrainableModel

__all__ = ["TrainableModel"]
