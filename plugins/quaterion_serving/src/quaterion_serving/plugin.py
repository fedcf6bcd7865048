"""Declaration of the commands and stores of quaterion-serving; imports nothing heavy."""

from __future__ import annotations

from quaterion_core.plugins import Component, hookimpl

quaterion_api = 1


@hookimpl
def quaterion_commands() -> dict[str, Component]:
    """Declare the commands."""
    return {
        "calibrate": Component(
            "quaterion_serving.calibrate_command:calibrate",
            summary="Find the probabilities of matches for a saved model.",
        ),
        "export": Component(
            "quaterion_serving.export.command:export",
            summary="Export a saved model to ONNX, for programs without Quaterion.",
        ),
        "serve": Component(
            "quaterion_serving.serve_command:serve",
            summary="Serve a saved model over HTTP: embeddings, and search in an index.",
        ),
    }


@hookimpl
def quaterion_stores() -> dict[str, Component]:
    """Declare the stores."""
    return {
        "faiss": Component("quaterion_serving.stores.faiss_store:FaissStore", extra="faiss"),
        "qdrant": Component("quaterion_serving.stores.qdrant_store:QdrantStore", extra="qdrant"),
    }
