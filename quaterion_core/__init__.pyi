from .main import Quaterion
from .model import SimilarityModel
from .train.trainable_model import TrainableModel
from .version import __version__

__all__ = [
    "Quaterion",
    "SimilarityModel",
    "TrainableModel",
    "__version__",
]
