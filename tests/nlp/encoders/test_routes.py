"""Models that embed queries and documents by different modules, or cut them off differently."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Router
from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling

from quaterion_core import SimilarityModel
from quaterion_core.dataset import Document, Query
from quaterion_core.heads import EmptyHead
from quaterion_nlp.encoders.sentence_transformer_encoder import SentenceTransformerEncoder
from quaterion_nlp.encoders.truncation import TruncationWarning

pytestmark = pytest.mark.usefixtures("without_network")

TEXTS = [Query("a red house"), Document("green"), Document("a red house"), Query("very long")]


def parts(tiny_folder):
    return list(SentenceTransformer(str(tiny_folder), device="cpu"))


def routed_whole(tiny_folder):
    """Two transformers, one for each role."""
    query, document = parts(tiny_folder), parts(tiny_folder)
    torch.nn.init.ones_(query[2].linear.weight)
    router = Router.for_query_document(query[:3], document[:3])
    return SentenceTransformer(modules=[router], device="cpu")


def routed_dense(tiny_folder):
    """One transformer, and a dense layer for each role after it."""
    transformer, pooling, dense, _ = parts(tiny_folder)
    other = Dense(8, 6)
    router = Router.for_query_document([dense], [other])
    return SentenceTransformer(modules=[transformer, pooling, router, Normalize()], device="cpu")


def with_lengths(tiny_folder):
    """One transformer that cuts queries off earlier than documents."""
    modules = parts(tiny_folder)
    modules[0].query_length, modules[0].document_length = 3, 4
    return SentenceTransformer(modules=modules, device="cpu")


MODELS = [routed_whole, routed_dense, with_lengths]


def embed(encoder, texts):
    return encoder(encoder.get_collate_fn()(texts))


@pytest.mark.filterwarnings("ignore::quaterion_nlp.encoders.truncation.TruncationWarning")
@pytest.mark.parametrize("make", MODELS)
def test_each_role_takes_its_route_as_in_the_models_own_encode(tiny_folder, make):
    model = make(tiny_folder)
    encoder = SentenceTransformerEncoder(model).eval()
    own = {Query: model.encode_query, Document: model.encode_document}
    expected = np.stack([own[type(text)](str(text)) for text in TEXTS])
    np.testing.assert_allclose(embed(encoder, TEXTS).detach(), expected, atol=1e-6)
    assert not np.allclose(expected[0], expected[2])
    served = SimilarityModel(encoder, EmptyHead(6)).encode(TEXTS, batch_size=2)
    np.testing.assert_allclose(served, expected, atol=1e-6)
    plain = [str(text) for text in TEXTS]
    np.testing.assert_allclose(embed(encoder, plain).detach(), model.encode(plain), atol=1e-6)


@pytest.mark.parametrize("make", MODELS[:2])
def test_both_routes_get_a_gradient(tiny_folder, make):
    encoder = SentenceTransformerEncoder(make(tiny_folder), trainable=True).train()
    (embed(encoder, TEXTS) * torch.linspace(1, 2, 6)).sum().backward()
    without = [n for n, p in encoder.named_parameters() if p.requires_grad and p.grad is None]
    assert without == []
    for name, parameter in encoder.named_parameters():
        if "linear" in name:
            assert parameter.grad.abs().sum() > 0, name


def test_lengths_are_those_of_each_route(tiny_folder):
    encoder = SentenceTransformerEncoder(with_lengths(tiny_folder))
    with pytest.warns(TruncationWarning, match="longer than the 3 tokens"):
        lengths = encoder.get_length_fn()(
            [Query("a red house"), Document("a red house"), "a red house"]
        )
    assert lengths == [3, 4, 5]


def test_a_text_for_which_there_is_no_route_is_named(tiny_folder):
    router = Router({"query": parts(tiny_folder)[:3]}, allow_empty_key=False)
    encoder = SentenceTransformerEncoder(SentenceTransformer(modules=[router], device="cpu"))
    with pytest.raises(ValueError, match=r"no route for a text without a role, such as 'green'"):
        embed(encoder, ["green"])
    with pytest.raises(ValueError, match="no route for a document"):
        embed(encoder, [Query("green"), Document("green")])


def test_routes_of_different_sizes_are_refused(tiny_folder):
    query, document = parts(tiny_folder), parts(tiny_folder)
    router = Router.for_query_document(query[:2], document[:3])  # 8, and 6 after the dense layer
    with pytest.raises(ValueError, match=r"different sizes: \{'query': 8, 'document': 6\}"):
        SentenceTransformerEncoder(SentenceTransformer(modules=[router], device="cpu"))


@pytest.mark.parametrize(
    "argument",
    [{"layers": 1}, {"train_layers": 1}, {"lora": {"r": 2}}],
    ids=lambda a: next(iter(a)),
)
def test_what_is_for_one_transformer_is_refused_for_two(tiny_folder, argument):
    (name,) = argument
    with pytest.raises(ValueError, match=f"{name}=... is for a model with one transformer"):
        SentenceTransformerEncoder(routed_whole(tiny_folder), **argument)


def test_a_routed_model_is_saved_with_its_routes(tiny_folder, tmp_path):
    encoder = SentenceTransformerEncoder(routed_whole(tiny_folder)).eval()
    encoder.save(tmp_path)
    loaded = SentenceTransformerEncoder.load(tmp_path)
    assert torch.equal(embed(loaded, TEXTS), embed(encoder, TEXTS))


def test_prompts_of_several_kinds_and_routes_go_together(tiny_folder):
    model = routed_whole(tiny_folder)
    prompts = {"query": "very ", "document": "a green "}
    prompted = copy.deepcopy(model)
    prompted.prompts = prompts
    for module in prompted.modules():
        if isinstance(module, Pooling):
            module.include_prompt = False
    encoder = SentenceTransformerEncoder(prompted, prompts=prompts).eval()
    own = {Query: prompted.encode_query, Document: prompted.encode_document}
    expected = np.stack([own[type(text)](str(text)) for text in TEXTS])
    np.testing.assert_allclose(embed(encoder, TEXTS).detach(), expected, atol=1e-6)
