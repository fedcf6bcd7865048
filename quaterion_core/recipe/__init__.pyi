from .data import build_dataset
from .evaluate import EvaluationResult, evaluate_recipe
from .faults import RecipeError
from .fit import FitResult, check_recipe, fit_recipe
from .reading import read_recipe
from .settings import Cache, EarlyStop, HubnessReduction, Memory, Recipe, Splits

__all__ = [
    "Cache",
    "EarlyStop",
    "EvaluationResult",
    "FitResult",
    "HubnessReduction",
    "Memory",
    "Recipe",
    "RecipeError",
    "Splits",
    "build_dataset",
    "check_recipe",
    "evaluate_recipe",
    "fit_recipe",
    "read_recipe",
]
