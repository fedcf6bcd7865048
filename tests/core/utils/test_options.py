import pytest
import torch

from quaterion_core.utils.options import check_option_keys, inverse_permutation, rows_by_option


def test_inverse_permutation_undoes_the_permutation():
    permutation = torch.tensor([3, 0, 2, 4, 1])
    inverse = inverse_permutation(permutation)
    assert inverse.tolist() == [1, 4, 2, 0, 3]
    assert permutation[inverse].tolist() == [0, 1, 2, 3, 4]


def test_inverse_of_nothing():
    assert inverse_permutation(torch.empty(0, dtype=torch.long)).tolist() == []


def test_rows_are_grouped_in_the_order_of_the_options():
    assert rows_by_option("baab", ["a", "b", "c"], "Switch") == {"a": [1, 2], "b": [0, 3]}


def test_keys_that_name_folders_are_accepted():
    check_option_keys(["image", "Text_2", "x-ray", "3d"], "Switch")


@pytest.mark.parametrize("key", ["..", ".hidden", "a/b", "a\\b", "a b", "a.b", "-a", "", "naïve"])
def test_keys_that_do_not_name_a_folder_everywhere_are_refused(key):
    with pytest.raises(ValueError, match="letters, digits, hyphens and underscores"):
        check_option_keys(["image", key], "Switch")


@pytest.mark.parametrize("key", ["keys", "training", "forward", "type"])
def test_keys_that_torch_takes_are_refused(key):
    with pytest.raises(ValueError, match=f"'{key}': torch modules have an attribute"):
        check_option_keys([key], "Switch")


def test_keys_that_differ_in_case_only_are_refused():
    with pytest.raises(ValueError, match="'text', 'Text'"):
        check_option_keys(["text", "Text"], "Switch")
