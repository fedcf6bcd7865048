import pytest
import torch
from torch.utils.data import Dataset, IterableDataset

from quaterion_core.utils import (
    get_anchor_negative_mask,
    get_anchor_positive_mask,
    get_masked_maximum,
    get_masked_minimum,
    get_triplet_mask,
    info_value_of_dtype,
    iter_by_batch,
    l2_norm,
    max_value_of_dtype,
    min_value_of_dtype,
)
from quaterion_core.utils.utils import vector_norm


def test_limits_are_those_of_the_data_type():
    assert info_value_of_dtype(torch.float32).eps == 2**-23
    assert (min_value_of_dtype(torch.uint8), max_value_of_dtype(torch.uint8)) == (0, 255)
    assert min_value_of_dtype(torch.float16) == -65504


def test_bool_has_no_limits():
    with pytest.raises(TypeError, match=r"torch\.bool"):
        info_value_of_dtype(torch.bool)


def test_an_object_is_not_its_own_positive():
    mask = get_anchor_positive_mask(torch.tensor([1, 1, 2]))
    assert mask.tolist() == [[False, True, False], [True, False, False], [False] * 3]


def test_an_object_is_not_its_own_negative():
    mask = get_anchor_negative_mask(torch.tensor([1, 1, 2]))
    assert mask.tolist() == [[False, False, True], [False, False, True], [True, True, False]]


def test_the_same_position_in_another_batch_is_another_object():
    labels, others = torch.tensor([1, 2]), torch.tensor([1, 1, 2])
    assert get_anchor_positive_mask(labels, others).tolist() == [
        [True, True, False],
        [False, False, True],
    ]
    assert get_anchor_negative_mask(labels, others).tolist() == [
        [False, False, True],
        [True, True, False],
    ]


def test_masks_tell_ids_apart_that_float32_cannot():
    labels = torch.tensor([2**24, 2**24 + 1])
    assert not get_anchor_positive_mask(labels).any()
    assert get_anchor_negative_mask(labels).sum() == 2


def test_the_triplet_mask_marks_anchor_positive_negative():
    marked = get_triplet_mask(torch.tensor([1, 1, 2, 1])).nonzero().tolist()
    assert marked == [[0, 1, 2], [0, 3, 2], [1, 0, 2], [1, 3, 2], [3, 0, 2], [3, 1, 2]]


def test_extremes_are_of_the_marked_values():
    values = torch.tensor([[4.0, -1.0, 2.0], [-3.0, -2.0, -1.0]])
    mask = torch.tensor([[0, 1, 1], [1, 1, 0]])
    assert get_masked_maximum(values, mask).tolist() == [[2.0], [-2.0]]
    assert get_masked_minimum(values, mask.bool()).tolist() == [[-1.0], [-3.0]]
    assert get_masked_maximum(values, mask, dim=0).tolist() == [[-3.0, -1.0, 2.0]]


def test_vectors_get_the_length_one():
    assert l2_norm(torch.tensor([3.0, 4.0])).tolist() == pytest.approx([0.6, 0.8])
    rows = l2_norm(torch.randn(5, 7, dtype=torch.float64), dim=1)
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(5, dtype=torch.float64))


def test_a_zero_vector_stays_zero_and_gets_no_gradient():
    x = torch.zeros(2, 3, requires_grad=True)
    unit = l2_norm(x, dim=1)
    unit.sum().backward()
    assert unit.tolist() == x.grad.tolist() == [[0.0] * 3] * 2


def test_batches_are_cut_in_order():
    assert list(iter_by_batch(range(5), 2, log_progress=False)) == [[0, 1], [2, 3], [4]]
    assert list(iter_by_batch([], 2, log_progress=False)) == []


def test_a_progress_bar_changes_no_batch(capsys):
    assert list(iter_by_batch(iter("abc"), 2)) == [["a", "b"], ["c"]]


def test_a_data_set_that_can_only_be_indexed_is_cut():
    class Squares(Dataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            return index**2

    assert list(iter_by_batch(Squares(), 2, log_progress=False)) == [[0, 1], [4]]


def test_an_iterable_data_set_is_cut():
    class Letters(IterableDataset):
        def __iter__(self):
            return iter("abc")

    assert list(iter_by_batch(Letters(), 2, log_progress=False)) == [["a", "b"], ["c"]]


@pytest.mark.parametrize("error", [AttributeError, IndexError, NotImplementedError])
def test_an_error_of_the_users_data_set_is_not_taken_for_the_end_or_a_start(error):
    class Broken(Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            if index == 2:
                raise error("the user's own")
            return index

    batches = iter_by_batch(Broken(), 2, log_progress=False)
    assert next(batches) == [0, 1]
    with pytest.raises(error, match="the user's own"):
        next(batches)


def test_a_batch_size_that_is_not_positive_is_refused_before_iterating():
    with pytest.raises(ValueError, match="Expected batch_size to be positive, got 0"):
        iter_by_batch([1], 0)


def test_what_can_be_neither_iterated_nor_indexed_is_refused():
    with pytest.raises(TypeError, match="int can be neither iterated nor indexed"):
        iter_by_batch(3, 1)


def test_the_gradient_of_lengths_is_that_of_the_formula():
    vectors = torch.tensor([[3.0, 4.0], [0.5, -1.0]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: vector_norm(x, dim=1), vectors)
    assert torch.autograd.gradgradcheck(lambda x: vector_norm(x, dim=1), vectors)


@pytest.mark.parametrize("scale", [1e-25, 1.0, 1e25], ids=str)
def test_lengths_and_their_gradients_keep_the_type_and_are_finite(scale):
    vectors = torch.tensor([[3.0, 4.0], [0.0, 0.0]]) * scale
    vectors.requires_grad_()
    lengths = vector_norm(vectors, dim=1, keepdim=True)
    torch.testing.assert_close(lengths, torch.tensor([[5.0], [0.0]]) * scale)
    (gradient,) = torch.autograd.grad(lengths.sum(), vectors)
    torch.testing.assert_close(gradient, torch.tensor([[0.6, 0.8], [0.0, 0.0]]))
