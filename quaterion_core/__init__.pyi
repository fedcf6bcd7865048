from .main import Quaterion
from .model import MetricModel, SimilarityModel
from .recipe.comparison import compare_models
from .recipe.evaluate import evaluate_recipe
from .recipe.fit import fit_recipe
from .train.trainable_model import TrainableModel
from .version import __version__

__all__ = [
    "MetricModel",
    "Quaterion",
    "SimilarityModel",
    "TrainableModel",
    "__version__",
    "compare_models",
    "evaluate_recipe",
    "fit_recipe",
]
