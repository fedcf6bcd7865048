import json

import pytest
import torch
from torch import nn

from quaterion_core.heads import (
    EmptyHead,
    EncoderHead,
    GatedHead,
    LinearProjectionHead,
    SequentialHead,
    SwitchHead,
)
from quaterion_core.plugins import MissingComponentError, registry
from quaterion_core.storage import InvalidFolderError, NotSavableError


def test_modules_are_applied_in_turn():
    head = SequentialHead(nn.Threshold(0.0, 7.0), nn.Hardtanh(0.0, 5.0), output_size=2)
    # -1 becomes 7, then 5; 3 stays.
    assert torch.equal(head(torch.tensor([[-1.0, 3.0]])), torch.tensor([[5.0, 3.0]]))


def test_without_modules_embeddings_stay_what_they_are():
    vectors = torch.randn(2, 3)
    assert torch.equal(SequentialHead(output_size=3)(vectors), vectors)


def test_delete_item():
    head = SequentialHead(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2), output_size=2)
    first, _, last = head
    del head[1]
    assert list(head) == [first, last]
    vectors = torch.randn(3, 4)
    assert torch.equal(head(vectors), last(first(vectors)))


def test_delete_slice():
    head = SequentialHead(nn.ReLU(), nn.Tanh(), nn.GELU(), output_size=2)
    del head[:2]
    assert [type(module) for module in head] == [nn.GELU]


def test_set_item():
    head = SequentialHead(nn.ReLU(), nn.Tanh(), output_size=2)
    head[-1] = nn.GELU()
    assert [type(module) for module in head] == [nn.ReLU, nn.GELU]


def test_append_insert_and_extend_chain():
    head = SequentialHead(nn.ReLU(), output_size=2)
    same = head.append(nn.Tanh()).insert(0, nn.GELU()).extend([nn.SiLU(), nn.Sigmoid()])
    assert same is head
    names = [type(module).__name__ for module in head]
    assert names == ["GELU", "ReLU", "Tanh", "SiLU", "Sigmoid"]


def test_length_and_items():
    relu, tanh = nn.ReLU(), nn.Tanh()
    head = SequentialHead(relu, tanh, output_size=2)
    assert len(head) == 2
    assert head[-1] is tanh
    assert list(head[:1]) == [relu]


def test_appended_modules_are_trained():
    head = SequentialHead(output_size=2).append(nn.Linear(3, 2))
    assert len(list(head.parameters())) == 2


@pytest.mark.parametrize(
    "first",
    [nn.Linear(4, 2), nn.LayerNorm(4), nn.BatchNorm1d(4), nn.GroupNorm(2, 4), GatedHead(4)],
    ids=lambda module: type(module).__name__,
)
def test_input_size_is_told_by_the_first_module_that_has_one(first):
    assert SequentialHead(nn.Dropout(0.1), first, output_size=2).input_embedding_size == 4


def test_input_size_follows_the_modules():
    head = SequentialHead(nn.Linear(8, 4), nn.Linear(4, 2), output_size=2)
    del head[0]
    assert head.input_embedding_size == 4
    head.insert(0, nn.Linear(6, 4))
    assert head(torch.randn(3, 6)).shape == (3, 2)


def test_input_size_has_to_be_given_where_modules_do_not_tell_it():
    with pytest.raises(ValueError, match="Pass input_embedding_size"):
        SequentialHead(nn.Bilinear(2, 2, 2), output_size=2)
    given = SequentialHead(nn.Flatten(), nn.Linear(4, 2), output_size=2, input_embedding_size=4)
    assert given.input_embedding_size == 4


def test_input_size_that_contradicts_the_modules_is_refused():
    with pytest.raises(ValueError, match="Expected input_embedding_size to be 4, .*got 5"):
        SequentialHead(nn.Linear(4, 2), output_size=2, input_embedding_size=5)


def test_output_size_that_contradicts_the_modules_is_found_out():
    head = SequentialHead(nn.Linear(4, 3), output_size=2)
    with pytest.raises(ValueError, match="size 2, its output_size, got size 3"):
        head(torch.randn(1, 4))


def test_heads_inside_get_the_meta():
    switch = SwitchHead({"a": EmptyHead(1), "b": SequentialHead(nn.ReLU(), output_size=1)}, 1)
    head = SequentialHead(nn.Identity(), switch, output_size=1)
    output = head(torch.tensor([[-1.0], [-1.0]]), [{"encoder": "b"}, {"encoder": "a"}])
    assert output.tolist() == [[0.0], [-1.0]]


def test_heads_can_be_nested_and_saved(tmp_path):
    inner = SequentialHead(nn.Linear(4, 3), LinearProjectionHead(3, 2), output_size=2)
    head = SequentialHead(nn.BatchNorm1d(4), inner, nn.PReLU(), output_size=2)
    head(torch.randn(16, 4))  # moves the statistics of the batch normalisation
    head.eval().save(tmp_path)
    vectors = torch.randn(5, 4)
    assert torch.equal(SequentialHead.load(tmp_path).eval()(vectors), head(vectors))


def test_saved_files_hold_no_pickle(tmp_path):
    SequentialHead(nn.Linear(4, 2), output_size=2).save(tmp_path)
    files = {file.name for file in tmp_path.iterdir()}
    assert files == {"config.json", "weights.safetensors"}


class Doubling(nn.Module):
    def forward(self, vectors):
        return 2 * vectors


def test_module_that_data_cannot_describe_is_refused_before_anything_is_written(tmp_path):
    head = SequentialHead(nn.Linear(4, 2), Doubling(), output_size=2)
    with pytest.raises(NotSavableError, match=r"Doubling cannot be saved.*subclass of EncoderHead"):
        head.save(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_module_that_data_cannot_describe_can_still_be_trained():
    head = SequentialHead(nn.Linear(4, 2), Doubling(), output_size=2)
    vectors = torch.randn(3, 4)
    assert torch.equal(head(vectors), 2 * head[0](vectors))


class DoublingHead(EncoderHead):
    @property
    def output_size(self):
        return self.input_embedding_size

    def transform(self, input_vectors):
        return 2 * input_vectors


def test_class_that_nobody_registered_is_given_to_be_loaded(tmp_path):
    head = SequentialHead(DoublingHead(2), nn.Tanh(), output_size=2)
    head.save(tmp_path)
    with registry.given({"local/doubling-head": DoublingHead}):
        restored = SequentialHead.load(tmp_path)
    vectors = torch.randn(3, 2)
    assert torch.equal(restored(vectors), head(vectors))


def test_class_that_nobody_registered_or_gave_is_missing(tmp_path):
    (tmp_path / "saved").mkdir()
    SequentialHead(DoublingHead(2), output_size=2).save(tmp_path / "saved")
    elsewhere = (tmp_path / "saved").rename(tmp_path / "elsewhere")
    with pytest.raises(MissingComponentError, match="local/doubling-head"):
        SequentialHead.load(elsewhere)


def test_class_that_this_process_saved_need_not_be_given(tmp_path):
    SequentialHead(DoublingHead(2), output_size=2).save(tmp_path)
    assert type(SequentialHead.load(tmp_path)[0]) is DoublingHead


@pytest.mark.parametrize(
    "module",
    [
        {"layer": "Module", "config": {}},
        {"layer": "subprocess.Popen", "config": {"args": "true"}},
        {"layer": "Linear", "config": {"in_features": 2, "out_features": 2, "device": "meta"}},
        {"layer": "Linear"},
        {"component": "quaterion-core/gated"},
        {"component": 3, "config": {}},
        {"component": "subprocess.Popen", "config": {"args": "true"}},
    ],
)
def test_file_that_names_anything_else_is_refused(module, tmp_path):
    config = {"modules": [module], "output_size": 2}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InvalidFolderError, match=r"config\.json does not describe a Sequential"):
        SequentialHead.load(tmp_path)
