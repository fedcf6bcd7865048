"""Enumerations that more than one package uses."""

from __future__ import annotations

from enum import Enum


class TrainStage(str, Enum):
    """The stage that a step belongs to; its value is part of the names that are logged."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"
