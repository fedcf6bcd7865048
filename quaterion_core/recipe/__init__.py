"""Recipes: a training run described as data, checked before anything is done.

:func:`fit_recipe` and :func:`evaluate_recipe` run what a recipe describes; only the former imports
Lightning, and only when a run starts.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
