"""Small models of texts and images that are exported."""

from __future__ import annotations

import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

from quaterion_core import SimilarityModel
from quaterion_core.heads import EmptyHead, LinearProjectionHead
from quaterion_nlp.encoders import SentenceTransformerEncoder, StaticEncoder
from quaterion_serving import export_onnx

TEXTS = ["delete a file", "remove a folder", "open a file", "a file or a folder", "", "Open!"]


@pytest.fixture(scope="session")
def texts():
    return TEXTS


@pytest.fixture(scope="session")
def new_static():
    """Return a function that makes an encoder of token embeddings."""

    def new(size=8, **options):
        torch.manual_seed(size)
        return StaticEncoder.from_data(TEXTS, vocab_size=300, embedding_size=size, **options)

    return new


@pytest.fixture(scope="session")
def transformer_folder(save_bert, tmp_path_factory):
    """A sentence-transformers model of two small BERT layers with mean pooling."""
    folder = tmp_path_factory.mktemp("transformer")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "file", "folder", "open", "delete",
             "query", "text", ":", "!"]  # fmt: skip
    save_bert(folder, words)
    modules = [Transformer(str(folder), max_seq_length=32), Pooling(8, "mean"), Normalize()]
    model = SentenceTransformer(modules=modules, device="cpu")
    model.save(str(folder / "saved"), create_model_card=False)
    return folder / "saved"


@pytest.fixture(scope="session")
def static_model(new_static):
    torch.manual_seed(0)
    return SimilarityModel(new_static(), LinearProjectionHead(8, 4)).eval()


@pytest.fixture(scope="session")
def transformer_model(transformer_folder):
    """A model of a transformer, with prompts for queries and documents."""
    prompts = {"query": "query: ", "document": "a text: "}
    encoder = SentenceTransformerEncoder(transformer_folder, prompts=prompts, prompt="a ")
    return SimilarityModel(encoder, EmptyHead(8)).eval()


@pytest.fixture(scope="session")
def static_export(static_model, tmp_path_factory):
    """The folder of a model that was exported to ONNX; not to be changed."""
    folder = tmp_path_factory.mktemp("exported") / "static"
    export_onnx(static_model, folder)
    return folder


@pytest.fixture(scope="session")
def saved_static(static_model, tmp_path_factory):
    """The folder of the same model, saved."""
    folder = tmp_path_factory.mktemp("saved") / "static"
    static_model.save(folder)
    return folder
