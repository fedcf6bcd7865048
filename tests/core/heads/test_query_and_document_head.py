import numpy as np
import pytest
import torch

from quaterion_core import Quaterion
from quaterion_core.dataset import Document, Query, SimilarityPairSample, with_roles
from quaterion_core.encoders import PrecomputedEncoder
from quaterion_core.heads import (
    EmptyHead,
    GatedHead,
    HubnessReductionHead,
    LinearProjectionHead,
    QueryAndDocumentHead,
    SequentialHead,
)
from quaterion_core.loss import MultipleNegativesRankingLoss
from quaterion_core.model import SimilarityModel
from quaterion_core.serving import Index
from quaterion_core.train.cache import CacheConfig

QUERIES = [Query(f"text {number}") for number in range(6)]
DOCUMENTS = [Document(f"text {number}") for number in range(6, 12)]
SAMPLES = [SimilarityPairSample(q, d) for q, d in zip(QUERIES, DOCUMENTS, strict=True)]
CHOICE = {
    "name": "query-and-document",
    "query": {"name": "linear-projection", "output_size": 4, "initial": "identity"},
}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    file = tmp_path_factory.mktemp("vectors") / "v.npz"
    vectors = np.random.default_rng(0).normal(size=(12, 4))
    np.savez(file, object=[*QUERIES, *DOCUMENTS], embedding=vectors)
    return PrecomputedEncoder(file)


@pytest.fixture
def untouched(encoder):
    return SimilarityModel(encoder, EmptyHead(4))


def fitted(encoder, quiet_trainer, cache, samples=SAMPLES):
    torch.manual_seed(0)
    model = Quaterion.build(
        encoder=encoder,
        head=CHOICE,
        loss="multiple-negatives-ranking",
        optimizer={"name": "sgd", "lr": 0.1},
        cache=cache,
        data=samples,
    )
    Quaterion.fit(model, quiet_trainer(max_epochs=2), samples)
    return model.model


def test_only_queries_are_moved(encoder, untouched, quiet_trainer):
    model = fitted(encoder, quiet_trainer, None)
    assert np.array_equal(model.encode(DOCUMENTS), untouched.encode(DOCUMENTS))
    assert not np.allclose(model.encode(QUERIES), untouched.encode(QUERIES), atol=1e-3)


def test_gradient_is_that_of_the_formula(encoder, untouched):
    model = SimilarityModel(encoder, QueryAndDocumentHead(LinearProjectionHead(4, 4), 4))
    layer = model.head.options["query"].projection
    loss = MultipleNegativesRankingLoss()
    targets = {
        "pairs": torch.tensor([[n, n + 6] for n in range(6)]),
        "labels": torch.ones(6),
        "subgroups": torch.arange(12),
    }
    batch = model.get_collate_fn()([*QUERIES, *DOCUMENTS])
    loss(model(batch), **targets).backward()
    weight = layer.weight.detach().clone().requires_grad_()
    queries = untouched.encode(QUERIES, to_numpy=False) @ weight.T + layer.bias.detach()
    embeddings = torch.cat([queries, untouched.encode(DOCUMENTS, to_numpy=False)])
    loss(embeddings, **targets).backward()
    torch.testing.assert_close(layer.weight.grad, weight.grad)


def test_cached_training_is_the_same(encoder, quiet_trainer):
    plain = fitted(encoder, quiet_trainer, None)
    cached = fitted(encoder, quiet_trainer, CacheConfig())
    assert np.allclose(plain.encode(QUERIES), cached.encode(QUERIES), atol=1e-6)


def test_a_text_has_an_embedding_for_each_role(encoder, quiet_trainer):
    swapped = [SimilarityPairSample(str(s.obj_b), str(s.obj_a)) for s in SAMPLES]
    samples = [*SAMPLES, *with_roles(swapped)]  # each text is a query and a document
    model = fitted(encoder, quiet_trainer, CacheConfig(), samples)
    plain = fitted(encoder, quiet_trainer, None, samples)
    both = [Query(DOCUMENTS[0]), DOCUMENTS[0]]
    assert np.allclose(model.encode(both), plain.encode(both), atol=1e-6)
    assert not np.allclose(*model.encode(both), atol=1e-3)


def test_saved_model_embeds_the_same(encoder, quiet_trainer, tmp_path):
    model = fitted(encoder, quiet_trainer, None)
    model.save(tmp_path / "model")
    loaded = SimilarityModel.load(tmp_path / "model")
    objects = [*DOCUMENTS, *QUERIES]
    assert np.array_equal(loaded.encode(objects), model.encode(objects))


def test_index_of_the_untouched_model_serves_the_trained_one(
    encoder, untouched, quiet_trainer, tmp_path
):
    model = fitted(encoder, quiet_trainer, None)
    model.save(tmp_path / "model")
    untouched.save(tmp_path / "untouched")
    documents = [str(text) for text in DOCUMENTS]
    with Index.create(tmp_path / "old", tmp_path / "untouched") as index:
        index.add(documents)
    with Index.create(tmp_path / "new", tmp_path / "model") as index:
        index.add(documents)
        expected = index.search(QUERIES[0], top=6)
    for given in (model, tmp_path / "model"):
        with Index.open(tmp_path / "old", given) as index:
            assert index.search(str(QUERIES[0]), top=6) == expected
    with Index.open(tmp_path / "new", untouched) as index:
        assert len(index.search(QUERIES[0])) == 6
    other = SimilarityModel(encoder, QueryAndDocumentHead(GatedHead(4), 4, GatedHead(4)))
    with (
        Index.open(tmp_path / "old", other) as index,
        pytest.raises(ValueError, match="another fingerprint for documents"),
    ):
        index.search(QUERIES[0])


def test_fingerprints(encoder, untouched):
    first = SimilarityModel(encoder, QueryAndDocumentHead(LinearProjectionHead(4, 4), 4))
    second = SimilarityModel(encoder, QueryAndDocumentHead(LinearProjectionHead(4, 4), 4))
    assert first.fingerprint() != second.fingerprint()
    assert first.document_fingerprint() == untouched.fingerprint()
    assert untouched.document_fingerprint() == untouched.fingerprint()
    document = LinearProjectionHead(4, 4)
    both = SimilarityModel(encoder, QueryAndDocumentHead(GatedHead(4), 4, document))
    alone = SimilarityModel(encoder, document)
    assert both.document_fingerprint() == alone.fingerprint() != untouched.fingerprint()


def test_works_within_other_heads(encoder):
    inner = QueryAndDocumentHead(SequentialHead(LinearProjectionHead(4, 4), output_size=4), 4)
    plain = SimilarityModel(encoder, inner)
    objects = [*DOCUMENTS, *QUERIES]
    nested = SimilarityModel(encoder, SequentialHead(inner, output_size=4))
    assert np.array_equal(nested.encode(objects), plain.encode(objects))
    plain.reduce_hubness(objects, neighbors=3)
    assert isinstance(plain.head, HubnessReductionHead)
    assert plain.encode(objects).shape == (12, 5)


def test_object_without_a_role_is_an_error(encoder):
    model = SimilarityModel(encoder, QueryAndDocumentHead(GatedHead(4), 4))
    with pytest.raises(ValueError, match=r"under 'role', got \{\}.*queries-and-documents"):
        model.encode(str(QUERIES[0]))


def test_sizes_have_to_agree():
    with pytest.raises(ValueError, match="QueryAndDocumentHead to give embeddings of one size"):
        QueryAndDocumentHead(LinearProjectionHead(4, 3), 4)
    with pytest.raises(TypeError, match="the option 'document' of QueryAndDocumentHead"):
        QueryAndDocumentHead(GatedHead(4), 4, torch.nn.Linear(4, 4))
