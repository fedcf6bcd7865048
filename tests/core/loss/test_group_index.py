import warnings

import pytest
import torch

from quaterion_core.loss.group_index import GroupIndex


def ids(*values):
    return torch.tensor(values, dtype=torch.int64)


def test_new_groups_take_rows_in_ascending_order_within_a_batch():
    assert GroupIndex(4)(ids(30, 10, 30, 20)).tolist() == [2, 0, 2, 1]


def test_later_groups_take_the_next_free_rows():
    index = GroupIndex(5)
    index(ids(30, 10))
    assert index(ids(20, 40, 30)).tolist() == [2, 3, 1]
    assert index(ids(5)).tolist() == [4]
    assert index(ids(5, 10, 20, 30, 40)).tolist() == [4, 0, 2, 1, 3]


def test_the_order_of_a_batch_does_not_matter():
    a, b = GroupIndex(3), GroupIndex(3)
    assert a(ids(9, 7, 8)).flip(0).tolist() == b(ids(8, 7, 9)).tolist()


def test_ids_may_be_any_int64():
    lowest, highest = -(2**63), 2**63 - 1
    index = GroupIndex(6)
    values = ids(highest, 2**24, 2**24 + 1, lowest, highest - 1)
    assert index(values).tolist() == [4, 1, 2, 0, 3]
    assert index(values).tolist() == [4, 1, 2, 0, 3]
    assert index(ids(0, highest)).tolist() == [5, 4]


def test_the_highest_id_is_not_known_before_it_is_seen():
    index = GroupIndex(2)
    index(ids(1))
    index.eval()
    with pytest.warns(UserWarning, match="did not occur in training"):
        assert index(ids(2**63 - 1, 1)).tolist() == [-1, 0]


def test_narrower_integers_are_ids_too():
    assert GroupIndex(2)(torch.tensor([4, 3], dtype=torch.int32)).tolist() == [1, 0]


def test_more_groups_than_rows_are_an_error_that_names_num_groups():
    index = GroupIndex(2)
    index(ids(1, 2))
    with pytest.raises(ValueError, match="at most num_groups=2 groups, got at least 3"):
        index(ids(3))
    assert index(ids(2, 1)).tolist() == [1, 0]


def test_a_group_that_training_has_not_shown_has_no_row_in_evaluation():
    index = GroupIndex(3)
    index(ids(1, 2))
    index.eval()
    with pytest.warns(UserWarning, match="2 of 3 objects belong to groups that did not occur"):
        assert index(ids(2, 5, 0)).tolist() == [1, -1, -1]
    index.train()
    assert index(ids(5)).tolist() == [2]


def test_the_warning_comes_once_and_not_before_training_has_shown_groups():
    index = GroupIndex(3)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert index.eval()(ids(5)).tolist() == [-1]
        assert not caught
        index.train()(ids(1))
        index.eval()
        for _ in range(3):
            assert index(ids(5, 1)).tolist() == [-1, 0]
    assert len(caught) == 1


def test_the_mapping_is_part_of_the_state_dict():
    index, again = GroupIndex(3), GroupIndex(3)
    index(ids(8))
    index(ids(7, 9))
    again.load_state_dict(index.state_dict())
    assert again.eval()(ids(7, 8, 9)).tolist() == [1, 0, 2]


def test_a_number_of_groups_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="Expected num_groups to be positive, got 0"):
        GroupIndex(0)
