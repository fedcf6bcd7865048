import pytest
import torch
from torch import nn

from quaterion_core.storage import InvalidFolderError, load_module, save_module


class Affine(nn.Module):
    def __init__(self, size: int):
        super().__init__()
        self.size = size
        self.weight = nn.Parameter(torch.randn(size))
        self.tied = self.weight
        self.register_buffer("steps", torch.tensor([2**53 + 1]))

    def get_config_dict(self):
        return {"size": self.size}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def test_weights_buffers_and_tied_weights_come_back_bit_for_bit(tmp_path):
    module = Affine(3)
    save_module(module, tmp_path)
    loaded = load_module(Affine, tmp_path)
    assert torch.equal(loaded.weight, module.weight)
    assert torch.equal(loaded.steps, module.steps)
    assert not list(tmp_path.glob("*.bin"))


def test_a_module_without_weights_writes_its_configuration_only(tmp_path):
    class Empty(Affine):
        def __init__(self, size):
            nn.Module.__init__(self)
            self.size = size

    save_module(Empty(3), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]
    assert load_module(Empty, tmp_path).size == 3


def test_missing_weights_are_named(tmp_path):
    save_module(Affine(3), tmp_path)
    (tmp_path / "weights.safetensors").unlink()
    with pytest.raises(InvalidFolderError, match=r"weights.safetensors is missing"):
        load_module(Affine, tmp_path)


def test_cut_off_weights_are_named(tmp_path):
    save_module(Affine(3), tmp_path)
    file = tmp_path / "weights.safetensors"
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(InvalidFolderError, match="cut off or broken"):
        load_module(Affine, tmp_path)


def test_weights_of_another_shape_are_refused(tmp_path):
    save_module(Affine(3), tmp_path)
    (tmp_path / "config.json").write_text('{"size": 4}')
    with pytest.raises(InvalidFolderError, match="does not fit Affine"):
        load_module(Affine, tmp_path)


def test_a_configuration_of_something_else_is_refused(tmp_path):
    save_module(Affine(3), tmp_path)
    (tmp_path / "config.json").write_text('{"length": 4}')
    with pytest.raises(InvalidFolderError, match="does not describe a Affine"):
        load_module(Affine, tmp_path)


@pytest.mark.parametrize("size", [True, "3", [3], 3.0])
def test_an_argument_that_is_annotated_as_a_number_is_one(tmp_path, size):
    class Sized(nn.Module):
        def __init__(self, size: int):
            super().__init__()
            self.size = size

        def get_config_dict(self):
            return {"size": self.size}

        @classmethod
        def from_config(cls, config):
            return cls(**config)

    save_module(Sized(size), tmp_path)
    with pytest.raises(InvalidFolderError, match="expected int for size, got"):
        load_module(Sized, tmp_path)
