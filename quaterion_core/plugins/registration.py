"""Decorators that register classes of this process, for notebooks and scripts.

Classes to be shared belong in a package with a plugin; see
:class:`~quaterion_core.plugins.QuaterionHooks`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from quaterion_core.plugins.component_registry import registry
from quaterion_core.plugins.records import ComponentKind

C = TypeVar("C", bound=type[Any])


def register_encoder(name: str) -> Callable[[C], C]:
    """Register an encoder as ``local/<name>``.

    Args:
        name: Lower-case words joined by hyphens.

    Returns:
        A class decorator, which returns the class unchanged.

    Raises:
        RegistrationError: The name is malformed or taken by another class.

    Example:
        >>> @register_encoder("letter-counts")
        ... class LetterCounts: ...
        >>> registry.load("encoder", "local/letter-counts") is LetterCounts
        True
    """
    return _decorator(ComponentKind.ENCODER, name)


def register_head(name: str) -> Callable[[C], C]:
    """Register a head as ``local/<name>``; see :func:`register_encoder`."""
    return _decorator(ComponentKind.HEAD, name)


def register_loss(name: str) -> Callable[[C], C]:
    """Register a loss as ``local/<name>``; see :func:`register_encoder`."""
    return _decorator(ComponentKind.LOSS, name)


def register_metric(name: str) -> Callable[[C], C]:
    """Register a metric as ``local/<name>``; see :func:`register_encoder`."""
    return _decorator(ComponentKind.METRIC, name)


def register_dataset(name: str) -> Callable[[C], C]:
    """Register a dataset as ``local/<name>``; see :func:`register_encoder`."""
    return _decorator(ComponentKind.DATASET, name)


def register_optimizer(name: str) -> Callable[[C], C]:
    """Register an optimizer as ``local/<name>``; see :func:`register_encoder`."""
    return _decorator(ComponentKind.OPTIMIZER, name)


def register_schedule(name: str) -> Callable[[C], C]:
    """Register a schedule as ``local/<name>``; see :func:`register_encoder`."""
    return _decorator(ComponentKind.SCHEDULE, name)


def register_batch_sampler(name: str) -> Callable[[C], C]:
    """Register a batch sampler as ``local/<name>``; see :func:`register_encoder`."""
    return _decorator(ComponentKind.BATCH_SAMPLER, name)


def register_callback(name: str) -> Callable[[C], C]:
    """Register a callback of the trainer as ``local/<name>``; see :func:`register_encoder`."""
    return _decorator(ComponentKind.CALLBACK, name)


def register_augmentation(name: str) -> Callable[[C], C]:
    """Register an augmentation as ``local/<name>``; see :func:`register_encoder`."""
    return _decorator(ComponentKind.AUGMENTATION, name)


def register_store(name: str) -> Callable[[C], C]:
    """Register a store as ``local/<name>``; see :func:`register_encoder`."""
    return _decorator(ComponentKind.STORE, name)


def register_logger(name: str) -> Callable[[C], C]:
    """Register a logger of the trainer as ``local/<name>``; see :func:`register_encoder`."""
    return _decorator(ComponentKind.LOGGER, name)


def _decorator(kind: ComponentKind, name: str) -> Callable[[C], C]:
    def register(cls: C) -> C:
        registry.register(kind, name, cls)
        return cls

    return register
