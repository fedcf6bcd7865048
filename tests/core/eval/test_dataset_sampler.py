import pytest
import torch
from torch.utils.data import Dataset, IterableDataset

from quaterion_core.dataset import (
    GroupSimilarityDataLoader,
    SimilarityGroupSample,
    SimilarityPairSample,
)
from quaterion_core.eval import GroupSampler, PairSampler, RetrievalPrecision, RetrievalRPrecision
from quaterion_core.eval.retrieval import Retrieval

SAMPLES = [SimilarityGroupSample(row, row % 5) for row in range(30)]
TABLE = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
METRICS = {"r": RetrievalRPrecision()}


class Items(Dataset):
    """Ends only by its length: larger indices are valid, too."""

    def __len__(self):
        return len(SAMPLES)

    def __getitem__(self, index):
        return SAMPLES[index % len(SAMPLES)]


class Stream(IterableDataset):
    def __iter__(self):
        return iter(SAMPLES)


@pytest.mark.parametrize(
    "dataset",
    [
        SAMPLES,
        tuple(SAMPLES),
        Items(),
        Stream(),
        iter(SAMPLES),
        GroupSimilarityDataLoader(SAMPLES, batch_size=8, shuffle=True, drop_last=True),
        torch.utils.data.Subset(Items(), range(30)),
    ],
    ids=lambda dataset: type(dataset).__name__,
)
def test_datasets_of_all_kinds_are_read_whole_and_in_order(dataset, table_model):
    model = table_model(TABLE)
    value = GroupSampler(log_progress=False).score(dataset, METRICS, model)["r"]
    assert model.encoded == list(range(30))
    torch.testing.assert_close(value, RetrievalRPrecision().compute(TABLE, torch.arange(30) % 5))


def test_error_of_a_dataset_reaches_the_user(table_model):
    class Broken(Items):
        def __getitem__(self, index):
            if index == 20:
                raise IndexError("file 20 is truncated")
            return super().__getitem__(index)

    with pytest.raises(IndexError, match="file 20 is truncated"):
        GroupSampler(log_progress=False).score(Broken(), METRICS, table_model(TABLE))


def test_dataset_is_encoded_once_for_all_samples(table_model):
    model, sampler = table_model(TABLE), GroupSampler(sample_size=6, log_progress=False)
    first = sampler.sample(SAMPLES, RetrievalRPrecision(), model)
    second = sampler.sample(SAMPLES, RetrievalRPrecision("euclidean"), model)
    assert len(model.encoded) == 30
    torch.testing.assert_close(first[0], second[0])


def test_another_dataset_or_model_is_encoded_anew(table_model):
    sampler, model = GroupSampler(log_progress=False), table_model(TABLE)
    sampler.sample(SAMPLES, RetrievalRPrecision(), model)
    labels, _ = sampler.sample(SAMPLES[:10], RetrievalRPrecision(), model)
    assert labels.shape == (10, 10)
    other = table_model(TABLE.flip(1))
    sampler.sample(SAMPLES[:10], RetrievalRPrecision(), other)
    assert len(other.encoded) == 10


def test_reset_forgets_the_embeddings(table_model):
    sampler, model = GroupSampler(log_progress=False), table_model(TABLE)
    sampler.sample(SAMPLES, RetrievalRPrecision(), model)
    sampler.reset()
    assert len(sampler.accumulator) == 0
    sampler.sample(SAMPLES, RetrievalRPrecision(), model)
    assert len(model.encoded) == 60


def hidden_columns(sampler, model):
    _, distances = sampler.sample(SAMPLES, RetrievalRPrecision(), model)
    return distances.isinf().nonzero()[:, 1].tolist()


def test_seed_decides_the_sample(table_model):
    model = table_model(TABLE)
    draws = {
        seed: hidden_columns(GroupSampler(8, log_progress=False, seed=seed), model)
        for seed in (0, 1)
    }
    assert hidden_columns(GroupSampler(8, log_progress=False), model) == draws[0] != draws[1]


def test_no_seed_draws_another_sample_after_each_reset(table_model):
    sampler, model = GroupSampler(15, log_progress=False, seed=None), table_model(TABLE)
    draws = set()
    for _ in range(5):
        draws.add(tuple(hidden_columns(sampler, model)))
        sampler.reset()
    assert len(draws) > 1  # five equal draws of 15 of 30 have a chance of 1 in 10^32


def test_random_numbers_of_a_training_are_left_alone(table_model):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    GroupSampler(8, log_progress=False, seed=None).score(SAMPLES, METRICS, table_model(TABLE))
    torch.testing.assert_close(torch.rand(3), expected)


def test_sampling_never_makes_a_matrix_of_all_objects(monkeypatch, table_model):
    shapes = []
    for name in ("scores", "distance_matrix", "labels"):
        original = getattr(Retrieval, name)

        def recorded(self, *arguments, original=original):
            matrix = original(self, *arguments)
            shapes.append(tuple(matrix.shape))
            return matrix

        monkeypatch.setattr(Retrieval, name, recorded)
    sampler = GroupSampler(sample_size=3, log_progress=False)
    sampler.score(SAMPLES, METRICS, table_model(TABLE))
    assert shapes == [(3, 30)]  # metrics that rank take no labels
    sampler.sample(SAMPLES, RetrievalRPrecision(), table_model(TABLE))
    assert shapes == [(3, 30)] * 3


@pytest.mark.parametrize(
    ("dataset", "error", "message"),
    [
        ([], ValueError, "no samples"),
        (iter([]), ValueError, "no samples"),
        ([*SAMPLES, SimilarityPairSample(1, 2)], TypeError, "got sample 30 of type SimilarityPair"),
        (
            [SimilarityPairSample(1, 2)],
            TypeError,
            "Expected .*SimilarityGroupSample for GroupSampler",
        ),
        (iter(["text"]), TypeError, "Expected item 0 .*got 'text' of type str"),
        (7, TypeError, "The dataset does not hold similarity samples. .*got 7 of type int"),
    ],
)
def test_unfit_datasets_are_refused_before_anything_is_encoded(
    dataset, error, message, table_model
):
    model = table_model(TABLE)
    with pytest.raises(error, match=message):
        GroupSampler(log_progress=False, encode_batch_size=4).score(dataset, METRICS, model)
    assert model.encoded == []


def test_metric_of_the_other_kind_is_refused_before_anything_is_encoded(table_model):
    model = table_model(TABLE)
    for use in ("sample", "score"):
        metric = RetrievalPrecision()
        argument = metric if use == "sample" else {"p": metric}
        with pytest.raises(TypeError, match="Expected a GroupMetric for GroupSampler"):
            getattr(GroupSampler(log_progress=False), use)(SAMPLES, argument, model)
    assert model.encoded == []


def test_failed_encoding_leaves_nothing_behind(table_model):
    sampler = GroupSampler(log_progress=False, encode_batch_size=4)
    with pytest.raises(IndexError):
        sampler.sample(SAMPLES, RetrievalRPrecision(), table_model(TABLE[:10]))
    labels, _ = sampler.sample(SAMPLES, RetrievalRPrecision(), table_model(TABLE))
    assert labels.shape == (30, 30)


def test_model_that_cannot_encode_is_refused():
    with pytest.raises(TypeError, match="Expected a SimilarityModel, got a Linear"):
        GroupSampler(log_progress=False).score(SAMPLES, METRICS, torch.nn.Linear(1, 1))


@pytest.mark.parametrize("sample_size", [0, -2])
def test_impossible_sample_size_is_refused(sample_size):
    with pytest.raises(ValueError, match="number of queries, to be positive or -1 for all"):
        PairSampler(sample_size=sample_size)


def test_impossible_batch_size_is_refused():
    with pytest.raises(ValueError, match="encode_batch_size to be 1 or more"):
        PairSampler(encode_batch_size=0)


@pytest.mark.parametrize("log_progress", [True, False])
def test_progress_is_shown_on_request(log_progress, table_model, capsys):
    GroupSampler(log_progress=log_progress).score(SAMPLES, METRICS, table_model(TABLE))
    assert ("Encoding" in capsys.readouterr().out) is log_progress


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_metrics_are_computed_on_the_device(table_model):
    sampler = GroupSampler(sample_size=9, device="cuda", log_progress=False)
    value = sampler.score(SAMPLES, METRICS, table_model(TABLE))["r"]
    on_cpu = GroupSampler(sample_size=9, log_progress=False)
    assert value.is_cuda
    torch.testing.assert_close(value.cpu(), on_cpu.score(SAMPLES, METRICS, table_model(TABLE))["r"])
