"""The components of quaterion-serving pass the checks that plugin authors run."""

import tempfile

from quaterion_core.testing import Example, conformance_tests
from quaterion_serving.stores.qdrant_store import QdrantStore


def embedded_qdrant():
    """Return a store in a new folder; that of a server is checked with the tests of stores."""
    return QdrantStore(f"qdrant-edge://{tempfile.mkdtemp()}/store", ef_search=64)


test_conformance = conformance_tests(
    "quaterion-serving", examples={"qdrant": Example(build=embedded_qdrant)}
)
