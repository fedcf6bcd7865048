from .schedules import Decay, Schedule
from .trainable_model import TrainableModel
from .trainer_components import build_callback, build_logger

__all__ = ["Decay", "Schedule", "TrainableModel", "build_callback", "build_logger"]
