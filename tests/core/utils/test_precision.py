import pytest
import torch

from quaterion_core.utils.precision import at_least_float32, without_autocast


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.int64, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_only_narrow_types_are_widened(given, expected):
    assert at_least_float32(torch.ones(1, dtype=given)).dtype == expected


def test_wide_tensors_are_not_copied():
    x = torch.ones(2)
    assert at_least_float32(x) is x


def test_autocast_is_off_inside_and_on_again_after():
    x = torch.ones(2, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with without_autocast(x.device):
            assert (x @ x).dtype == torch.float32
        assert (x @ x).dtype == torch.bfloat16
