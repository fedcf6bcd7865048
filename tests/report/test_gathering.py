"""Tests of what is gathered from a model: searches, hubs, texts, the choice of queries."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import precision_recall_fscore_support, roc_curve

from quaterion_core.dataset import SimilarityGroupSample, SimilarityPairSample
from quaterion_core.distances import Distance
from quaterion_core.eval import RecallAtK
from quaterion_core.eval.scoring import score
from quaterion_report import render
from quaterion_report.corpus import Corpus
from quaterion_report.gathering import Evaluated, page_data
from quaterion_report.report_data import Similarities
from quaterion_report.searching import search
from quaterion_report.thresholds import all_points, operating_points


def pairs(count=8, **options):
    return [SimilarityPairSample(f"question {n}", f"answer {n}", **options) for n in range(count)]


def groups(count=40, of=4):
    return [SimilarityGroupSample(f"object {n}", f"group {n % of}") for n in range(count)]


def embeddings_of(corpus, dimensions=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(len(corpus.objects), dimensions, generator=generator)


def gathered(samples, *, seeds=(0, 1), reference=None, distance=Distance.COSINE, **options):
    corpus = Corpus.of(samples, reference)
    systems = {}
    for key, seed in zip(("model", "untouched", "other"), seeds, strict=False):
        embeddings = embeddings_of(corpus, seed=seed)
        found = search(corpus, embeddings, distance, 10)
        systems[key] = Evaluated(key, key, embeddings, found)
    return corpus, systems, page_data(corpus, systems, title="m", split="test", **options)


def test_equal_objects_are_one():
    samples = [*pairs(3), SimilarityPairSample("question 9", "answer 0")]
    corpus = Corpus.of(samples)
    assert corpus.objects.count("answer 0") == 1
    assert len(corpus.objects) == 7
    found = search(corpus, embeddings_of(corpus), Distance.COSINE, 5)
    assert (len(found.queries), len(found.candidates)) == (4, 3)
    assert found.is_answerable.all()


def test_groups_of_pairs_are_their_subgroups_or_roles():
    corpus = Corpus.of(pairs(2))
    assert corpus.are_roles
    assert dict(zip(corpus.objects, corpus.groups, strict=True))["question 1"] == "queries"
    named = Corpus.of(pairs(2, subgroup="billing"))
    assert not named.are_roles
    assert set(named.groups) == {"billing"}


@pytest.mark.parametrize("distance", list(Distance))
def test_ranks_and_neighbors_are_those_of_a_full_sort(distance):
    corpus = Corpus.of(groups())
    embeddings = embeddings_of(corpus)
    found = search(corpus, embeddings, distance, 7)
    distances = Distance.get_by_name(distance).distance_matrix(embeddings)
    distances.fill_diagonal_(torch.inf)
    labels = torch.tensor([int(name.split()[1]) for name in corpus.groups])
    relevance = labels.unsqueeze(1) == labels
    relevance.fill_diagonal_(False)
    order = distances.argsort(dim=1)
    assert torch.equal(found.neighbors, order[:, :7])
    assert torch.equal(found.is_relevant, relevance.gather(1, order[:, :7]))
    ranks = relevance.gather(1, order).int().argmax(dim=1) + 1
    assert torch.equal(found.ranks, ranks)
    nearest = order.gather(1, (ranks - 1).unsqueeze(1)).squeeze(1)
    assert torch.equal(found.nearest_relevant, nearest)
    similarities = Distance.get_by_name(distance).similarity_matrix(embeddings)
    torch.testing.assert_close(
        found.similarities, similarities.gather(1, order[:, :7]), atol=1e-5, rtol=1e-4
    )


def test_the_curve_is_the_metric_of_the_core():
    corpus, systems, data = gathered(groups())
    retrieval = corpus.retrieval(systems["model"].embeddings)
    metrics = {str(k): RecallAtK(k) for k in data.systems[0].curve.k}
    for k, value in zip(data.systems[0].curve.k, data.systems[0].curve.values, strict=True):
        expected = float(score(metrics, retrieval).values[str(k)])
        assert value.value == pytest.approx(expected, abs=1e-6)
        assert value.low <= value.value <= value.high


def test_an_interval_of_a_share_is_that_of_wilson():
    from quaterion_report.gathering import _share

    share = _share(81, 263)  # Newcombe, Statistics in Medicine 17 (1998), table I, method 3
    assert (round(share.low, 4), round(share.high, 4)) == (0.2553, 0.3662)
    assert (round(_share(0, 20).low, 4), round(_share(0, 20).high, 4)) == (0.0, 0.1611)


def test_every_pair_is_counted_once_by_its_similarity():
    corpus = Corpus.of(groups())
    embeddings = embeddings_of(corpus)
    counts = search(corpus, embeddings, Distance.COSINE, 5).pairs
    assert sum(counts.matching) == 40 * 9
    assert sum(counts.others) == 40 * 30
    unit = torch.nn.functional.normalize(embeddings, dim=1)
    similarities = (unit @ unit.T)[~torch.eye(40, dtype=torch.bool)]
    expected, _ = np.histogram(similarities.numpy(), bins=2048, range=(-1, 1))
    both = np.add(counts.matching, counts.others)
    assert np.abs(np.cumsum(both) - np.cumsum(expected)).max() <= 2  # of floats at an edge


def test_error_rates_of_thresholds_are_those_of_scikit_learn():
    generator = np.random.default_rng(0)
    labels = generator.random(500) < 0.2
    bins = np.clip(generator.normal(8 + 6 * labels, 3), 0, 19).astype(int)
    counts = Similarities(
        low=0, high=20,
        matching=np.bincount(bins[labels], minlength=20).tolist(),
        others=np.bincount(bins[~labels], minlength=20).tolist(),
    )  # fmt: skip
    rates = dict(zip(*(part.tolist() for part in roc_curve(labels, bins)[2:0:-1]), strict=True))
    points = {point.threshold: point for point in all_points(counts)}
    for threshold, true_accept_rate in rates.items():
        if threshold < np.inf:
            assert 1 - points[threshold].false_reject_rate == pytest.approx(true_accept_rate)
    for threshold, point in points.items():
        precision, recall, f1, _ = precision_recall_fscore_support(
            labels, bins >= threshold, average="binary", zero_division=0
        )
        assert point.f1 == pytest.approx(f1)
        assert (point.precision or 0) == pytest.approx(precision)
        assert 1 - point.false_reject_rate == pytest.approx(recall)
    best = operating_points(counts)["highest F1"]
    assert best.f1 == max(point.f1 for point in points.values())


def test_queries_are_chosen_by_what_has_changed():
    _, systems, data = gathered(groups())
    model, untouched = systems["model"].search, systems["untouched"].search
    for query in data.gallery:
        ranks = query.found["model"].rank, query.found["untouched"].rank
        if query.outcome in ("lost", "won"):
            assert (ranks[0] > ranks[1]) == (query.outcome == "lost")
        else:
            assert ranks[0] == ranks[1]
            assert (ranks[0] == 1) == (query.outcome == "right")
    gain = 1 / model.ranks - 1 / untouched.ranks
    lost = [query for query in data.gallery if query.outcome == "lost"]
    changes = [1 / q.found["model"].rank - 1 / q.found["untouched"].rank for q in lost]
    assert changes == sorted(changes)
    assert changes[0] == pytest.approx(float(gain.min()))


def test_hubs_say_how_often_they_are_found_and_relevant():
    corpus, systems, data = gathered(groups(), seeds=(0,))
    found = systems["model"].search
    hub = data.systems[0].hubness.hubs[0]
    obj = corpus.objects.index(data.objects[hub.object])
    is_there = found.neighbors == obj
    assert hub.found == int(is_there.sum()) > 0
    assert hub.deserved == int((is_there & found.is_relevant).sum())
    assert sum(data.systems[0].hubness.counts) == 40


def test_a_reference_is_searched_instead():
    _, systems, data = gathered(groups(8), seeds=(0,), reference=groups(20, of=5))
    found = systems["model"].search
    assert data.queries == 8
    assert data.candidates == 20
    assert found.ranks.max() <= 21


def test_queries_without_a_relevant_object_are_left_out_and_told():
    samples = [*groups(8, of=2), SimilarityGroupSample("alone", "single")]
    _, _, data = gathered(samples)
    assert "alone" not in {data.objects[query.object] for query in data.gallery}
    assert any("Nothing is relevant to 1 of the queries" in note for note in data.notes)


def test_a_large_corpus_is_sampled_for_the_map(monkeypatch):
    monkeypatch.setattr("quaterion_report.gathering.MOST_ON_MAP", 30)
    monkeypatch.setattr("quaterion_report.gallery.QUERIES_OF_EACH_OUTCOME",
                        {"lost": 1, "won": 1, "wrong": 1, "right": 1})  # fmt: skip
    _, _, data = gathered(groups(100))
    assert len(data.objects) == len(data.systems[0].x) < 100
    assert any("of 100 objects" in note for note in data.notes)


@pytest.mark.parametrize(
    "samples",
    [pairs(1), groups(2, of=1), groups(2, of=2), pairs(2, score=0.0)],
    ids=["one pair", "two of a group", "no match", "only negatives"],
)
def test_the_smallest_data_have_a_page(samples):
    assert "</html>" in render(gathered(samples)[2])


def test_equal_embeddings_have_a_page():
    corpus = Corpus.of(groups(6, of=2))
    embeddings = torch.ones(6, 3)
    found = search(corpus, embeddings, Distance.COSINE, 5)
    systems = {"model": Evaluated("model", "collapsed", embeddings, found)}
    data = page_data(corpus, systems, title="collapsed", split="test")
    assert data.systems[0].geometry.effective_rank == 0
    assert data.systems[0].geometry.uniformity == pytest.approx(0, abs=1e-6)
    # All others are at the same distance, and irrelevant ones count as nearer.
    assert {query.found["model"].rank for query in data.gallery} == {4}
    assert "</html>" in render(data)


def test_texts_with_broken_characters_are_written():
    samples = [SimilarityPairSample("half \ud83d of a pair \x00", Path("a/b.png")), *pairs(3)]
    corpus = Corpus.of(samples)
    found = search(corpus, embeddings_of(corpus), Distance.COSINE, 5)
    systems = {"model": Evaluated("model", "m", embeddings_of(corpus), found)}
    page = render(page_data(corpus, systems, title="m", split="test"))
    assert "half ? of a pair" in page
    assert page.encode()
