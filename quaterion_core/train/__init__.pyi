from .trainable_model import TrainableModel

__all__ = ["TrainableModel"]
