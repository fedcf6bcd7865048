from .schedules import Decay, Schedule
from .trainable_model import TrainableModel

__all__ = ["Decay", "Schedule", "TrainableModel"]
