import pytest
import torch

from quaterion_core.eval.accumulators import GroupAccumulator, PairAccumulator


def batch(start, pairs):
    count = 2 * pairs
    return {
        "embeddings": torch.arange(start, start + count).float().unsqueeze(1),
        "labels": torch.full((pairs,), float(start)),
        "pairs": torch.arange(count).reshape(2, pairs).T,
        "subgroups": torch.arange(start, start + count),
    }


def test_pairs_of_later_batches_point_to_their_own_embeddings():
    accumulator = PairAccumulator()
    accumulator.update(**batch(0, 2))
    accumulator.update(**batch(4, 3))
    assert accumulator.pairs.tolist() == [[0, 2], [1, 3], [4, 7], [5, 8], [6, 9]]
    assert accumulator.embeddings.flatten().tolist() == list(range(10))
    assert accumulator.labels.tolist() == [0, 0, 4, 4, 4]
    assert accumulator.subgroups.tolist() == list(range(10))
    assert len(accumulator) == 10


def test_state_of_another_process_can_be_added():
    one, other, together = PairAccumulator(), PairAccumulator(), PairAccumulator()
    one.update(**batch(0, 2))
    other.update(**batch(4, 1))
    other.update(**batch(6, 2))
    for part in (one, other, PairAccumulator()):
        together.update(**part.state)
    assert together.pairs.tolist() == [[0, 2], [1, 3], [4, 5], [6, 8], [7, 9]]
    assert together.embeddings.flatten().tolist() == list(range(10))


def test_state_can_be_asked_for_between_updates():
    accumulator = GroupAccumulator()
    for number in range(3):
        accumulator.update(torch.full((2, 1), float(number)), torch.tensor([number, number]))
        assert accumulator.state["groups"].tolist() == sorted([*range(number + 1)] * 2)
    assert accumulator.embeddings.flatten().tolist() == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("accumulator_type", [GroupAccumulator, PairAccumulator])
def test_empty_state_has_all_tensors(accumulator_type):
    state = accumulator_type().state
    assert "embeddings" in state
    assert all(len(tensor) == 0 for tensor in state.values())


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8])
def test_groups_become_int64(dtype):
    accumulator = GroupAccumulator()
    accumulator.update(torch.rand(2, 3), torch.tensor([1, 2], dtype=dtype))
    assert accumulator.groups.dtype == torch.int64


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bool])
def test_groups_that_are_no_integers_are_refused(dtype):
    with pytest.raises(ValueError, match="Expected groups to be an integer tensor"):
        GroupAccumulator().update(torch.rand(2, 3), torch.tensor([1, 0], dtype=dtype))


def test_reset_and_filled():
    accumulator = GroupAccumulator()
    accumulator.update(torch.rand(2, 3), torch.tensor([1, 2]))
    accumulator.set_filled()
    assert accumulator.filled
    accumulator.reset()
    assert not accumulator.filled
    assert len(accumulator) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"embeddings": torch.zeros(4)}, r"Expected embeddings to be .* float32 of shape \(4,\)"),
        ({"embeddings": torch.zeros(4, 1, dtype=torch.int64)}, "embeddings .* int64 of shape"),
        ({"embeddings": [[0.0]] * 4}, "embeddings .* got a list"),
        ({"labels": torch.ones(3)}, r"Expected labels to be a tensor of shape \(2,\).*\(3,\)"),
        ({"pairs": torch.zeros(2, 3, dtype=torch.int64)}, r"pairs .* shape \(B, 2\)"),
        ({"pairs": torch.zeros(2, 2)}, "Expected pairs to be an integer tensor"),
        ({"pairs": None}, "pairs .* got a NoneType"),
        (
            {"pairs": torch.tensor([[0, 4], [1, 3]])},
            "rows 0 to 3 of the embeddings, got rows 0 to 4",
        ),
        ({"pairs": torch.tensor([[0, -1], [1, 3]])}, "got rows -1 to 3"),
        ({"subgroups": torch.zeros(2, dtype=torch.int64)}, r"subgroups .* shape \(4,\)"),
    ],
)
def test_wrong_batches_are_refused_with_the_reason(change, message):
    accumulator = PairAccumulator()
    with pytest.raises(ValueError, match=message):
        accumulator.update(**{**batch(0, 2), **change})
    assert len(accumulator) == 0


def test_embeddings_of_another_size_are_refused():
    accumulator = GroupAccumulator()
    accumulator.update(torch.rand(2, 3), torch.tensor([1, 2]))
    with pytest.raises(ValueError, match="of size 3, as in the batches before, got 4"):
        accumulator.update(torch.rand(2, 4), torch.tensor([1, 2]))
