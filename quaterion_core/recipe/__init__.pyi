from .comparison import ChangedQuery, Comparison, MetricComparison, compare_models
from .data import build_dataset
from .evaluate import EvaluationResult, evaluate_recipe
from .faults import RecipeError
from .fit import FitResult, check_recipe, fit_recipe
from .reading import read_recipe
from .settings import Cache, EarlyStop, HubnessReduction, Memory, Recipe, Splits

__all__ = [
    "Cache",
    "ChangedQuery",
    "Comparison",
    "EarlyStop",
    "EvaluationResult",
    "FitResult",
    "HubnessReduction",
    "Memory",
    "MetricComparison",
    "Recipe",
    "RecipeError",
    "Splits",
    "build_dataset",
    "check_recipe",
    "compare_models",
    "evaluate_recipe",
    "fit_recipe",
    "read_recipe",
]
