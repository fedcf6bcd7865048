from .recognition import Recognised, recognise
from .tuning import Trial, TuneResult, tune

__all__ = ["Recognised", "Trial", "TuneResult", "recognise", "tune"]
