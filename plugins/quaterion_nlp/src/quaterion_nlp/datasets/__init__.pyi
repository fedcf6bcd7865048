from .guided_pairs import GuidedPairs, GuidedPairSample, with_guide
from .named_groups import NamedGroups
from .python_docs import PythonDocs

__all__ = [
    "GuidedPairSample",
    "GuidedPairs",
    "NamedGroups",
    "PythonDocs",
    "with_guide",
]
