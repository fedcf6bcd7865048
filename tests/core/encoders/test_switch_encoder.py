import json
import pickle
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from quaterion_core.encoders import Encoder, SwitchEncoder
from quaterion_core.encoders.switch_encoder import inverse_permutation
from quaterion_core.heads import EmptyHead, GatedHead, SwitchHead
from quaterion_core.plugins import MissingComponentError, registry
from quaterion_core.storage import InvalidFolderError
from quaterion_core.utils.tensors import move_to_device


def lengths(words):
    return torch.tensor([[float(len(word))] for word in words])


def values(numbers):
    return {"values": torch.tensor([[float(number)] for number in numbers])}


class Words(Encoder):
    """Embeds a word as its length times a learned row."""

    def __init__(self, trainable=True, embedding_size=2, dropout=0.0):
        super().__init__()
        self._trainable = trainable
        self.dropout = nn.Dropout(dropout)
        self.row = nn.Parameter(torch.arange(1.0, 1.0 + embedding_size))

    @property
    def trainable(self):
        return self._trainable

    @property
    def embedding_size(self):
        return len(self.row)

    def get_collate_fn(self):
        return lengths

    def forward(self, batch):
        return self.dropout(batch * self.row)

    def get_config_dict(self):
        return {
            "trainable": self.trainable,
            "embedding_size": self.embedding_size,
            "dropout": self.dropout.p,
        }


class Numbers(Words):
    """Embeds a number as its negative times a learned row."""

    def get_collate_fn(self):
        return values

    def forward(self, batch):
        return super().forward(-batch["values"])


class Foreign(Words):
    """Wraps a model that has files of its own, and no configuration."""

    def get_config_dict(self):
        raise NotImplementedError

    def save(self, output_path):
        Path(output_path, "model.txt").write_text(" ".join(map(str, self.row.tolist())))

    @classmethod
    def load(cls, input_path):
        encoder = cls()
        row = [float(value) for value in Path(input_path, "model.txt").read_text().split()]
        encoder.row = nn.Parameter(torch.tensor(row))
        return encoder


class ByType(SwitchEncoder):
    @classmethod
    def encoder_selection(cls, record):
        return type(record).__name__


def switch(**options) -> ByType:
    return ByType({"int": Numbers(), "str": Words(), **options})


def encode(encoder, records):
    return encoder(encoder.get_collate_fn()(records))


def test_each_object_goes_to_its_encoder_and_comes_back_in_order():
    output = encode(switch(), ["abc", 5, 7, "de"])
    assert output.tolist() == [[3.0, 6.0], [-5.0, -10.0], [-7.0, -14.0], [2.0, 4.0]]


@pytest.mark.parametrize("records", [["a", "bb"], [1], ["a"]])
def test_option_without_objects_is_fine(records):
    encoder = switch()
    assert list(encoder.get_collate_fn()(records)) == [type(records[0]).__name__]
    assert encode(encoder, records).shape == (len(records), 2)


def test_batch_without_objects():
    assert encode(switch().half(), []).shape == (0, 2)
    assert encode(switch().half(), []).dtype == torch.float16


def test_unknown_key_names_the_known_ones():
    with pytest.raises(ValueError, match=r"ByType has no option 'float'.*object 1.*'int', 'str'"):
        encode(switch(), ["a", 0.5])


def test_meta_tells_the_choice():
    assert switch().get_meta_extractor()(["a", 1]) == [{"encoder": "str"}, {"encoder": "int"}]


def test_meta_drives_a_switch_head():
    head = SwitchHead({"int": EmptyHead(2), "str": GatedHead(2)}, 2)
    encoder, records = switch(), ["a", 1]
    output = head(encode(encoder, records), encoder.extract_meta(records))
    assert output[1].tolist() == [-1.0, -2.0]
    torch.testing.assert_close(output[0], torch.tensor([1.0, 2.0]) * torch.tensor(2.0).tanh())


def test_collate_function_can_be_pickled():
    collate = pickle.loads(pickle.dumps(switch().get_collate_fn()))
    assert collate(["abc"])["str"]["batch"].tolist() == [[3.0]]


def test_collate_function_holds_no_weights():
    assert b"torch" not in pickle.dumps(switch().get_collate_fn())


def test_collate_function_works_in_spawned_workers(monkeypatch):
    # A spawned worker imports this module by its name, seen from the root of the repository.
    monkeypatch.syspath_prepend(Path(__file__).parents[3])
    encoder, records = switch(), ["abc", 5, 7, "de"]
    loader = DataLoader(
        records,
        batch_size=4,
        num_workers=1,
        multiprocessing_context="spawn",
        collate_fn=encoder.get_collate_fn(),
    )
    (batch,) = loader
    assert encoder(batch).tolist() == [[3.0, 6.0], [-5.0, -10.0], [-7.0, -14.0], [2.0, 4.0]]


def test_batch_moves_between_devices_as_a_whole():
    batch = move_to_device(switch().get_collate_fn()(["abc", 5]), "meta")
    assert switch().to("meta")(batch).shape == (2, 2)


@pytest.mark.parametrize(
    ("words", "numbers", "expected"),
    [(True, True, True), (True, False, True), (False, False, False)],
)
def test_trainable_if_any_option_is(words, numbers, expected):
    encoder = switch(str=Words(trainable=words), int=Numbers(trainable=numbers))
    assert encoder.trainable is expected


def test_frozen_option_gets_no_gradient_while_another_learns():
    encoder = switch(str=Words(trainable=False))
    encode(encoder, ["abc", 5]).sum().backward()
    assert encoder.options["str"].row.grad is None
    assert encoder.options["int"].row.grad.tolist() == [-5.0, -5.0]


def test_frozen_option_stays_in_evaluation_while_another_trains():
    encoder = switch(str=Words(trainable=False, dropout=0.5), int=Numbers(dropout=0.5)).train()
    assert encoder.training
    assert not encoder.options["str"].dropout.training
    assert encoder.options["int"].dropout.training


def test_only_parameters_of_frozen_options_are_frozen():
    encoder = switch(str=Words(trainable=False))
    encoder.disable_gradients_if_required()
    assert not encoder.options["str"].row.requires_grad
    assert encoder.options["int"].row.requires_grad


def test_no_graph_where_the_caller_wants_none():
    with torch.no_grad():
        assert not encode(switch(), ["abc", 5]).requires_grad


def test_embedding_sizes_that_differ_are_named():
    with pytest.raises(ValueError, match=r"\{'int': 2, 'str': 3\}"):
        switch(str=Words(embedding_size=3))


def test_options_have_to_be_encoders():
    with pytest.raises(TypeError, match="'str' of ByType to be an Encoder, got a Linear"):
        switch(str=nn.Linear(2, 2))


@pytest.mark.parametrize("key", ["../up", "a/b", "a.b", "", "keys"])
def test_keys_have_to_be_safe_names_of_folders(key):
    with pytest.raises(ValueError, match="ByType cannot have an option"):
        ByType({key: Words()})


def test_options_are_needed():
    with pytest.raises(ValueError, match="ByType needs at least one option"):
        ByType({})


def test_choice_has_to_be_defined():
    with pytest.raises(TypeError, match="encoder_selection"):
        SwitchEncoder({"str": Words()})


def test_permutation_keeps_its_old_home():
    assert inverse_permutation(torch.tensor([1, 2, 0])).tolist() == [2, 0, 1]


GIVEN = {"local/words": Words, "local/numbers": Numbers, "local/foreign": Foreign}


def shaken() -> ByType:
    encoder = switch(str=Foreign())
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.normal_()
    return encoder


def test_each_option_is_saved_by_itself_into_its_own_folder(tmp_path):
    switch(str=Foreign()).save(tmp_path)
    files = {file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*.*")}
    assert files == {
        "config.json",
        "int/config.json",
        "int/weights.safetensors",
        "str/model.txt",
    }


def test_configuration_names_the_components_of_the_options(tmp_path):
    switch(str=Foreign()).save(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text()) == {
        "options": {"int": {"component": "local/numbers"}, "str": {"component": "local/foreign"}}
    }


def test_saved_encoder_gives_the_same_bits(tmp_path):
    original, records = shaken(), ["abc", 5, "de", 7]
    original.save(tmp_path)
    with registry.given(GIVEN):
        restored = ByType.load(tmp_path)
    assert type(restored) is ByType
    assert torch.equal(encode(restored, records), encode(original, records))


def test_missing_class_of_an_option_is_named(tmp_path):
    (tmp_path / "saved").mkdir()
    switch().save(tmp_path / "saved")
    elsewhere = (tmp_path / "saved").rename(tmp_path / "elsewhere")
    with pytest.raises(MissingComponentError, match="local/numbers"):
        ByType.load(elsewhere)


def test_options_that_this_process_saved_need_not_be_given(tmp_path):
    switch().save(tmp_path)
    assert type(ByType.load(tmp_path).options["int"]) is Numbers


def test_configuration_builds_it_again_where_all_options_declare_theirs():
    original = switch(str=Words(dropout=0.5, embedding_size=2))
    config = json.loads(json.dumps(original.get_config_dict()))
    with registry.given(GIVEN):
        restored = ByType.from_config(config)
    assert restored.get_config_dict() == config
    assert restored.options["str"].dropout.p == 0.5


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "lists no options"),
        ({"options": {}}, "at least one option"),
        ({"options": {"../up": {"component": "local/words"}}}, "'../up'"),
        ({"options": {"str": {"component": "subprocess.Popen"}}}, "no component id"),
        ({"options": {"str": "local/words"}}, "names None for the option 'str'"),
    ],
)
def test_file_that_says_anything_else_is_refused(config, message, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InvalidFolderError, match=message):
        ByType.load(tmp_path)
