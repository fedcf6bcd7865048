"""Each check of an encoder fails one that has the fault which it catches, and no good one."""

from __future__ import annotations

import copy
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import get_worker_info

from quaterion_core.encoders import Encoder
from quaterion_core.storage import load_weights, read_json
from quaterion_core.testing import Status, check_encoder
from quaterion_core.testing.encoder_checks import ENCODER_CHECKS

OBJECTS = [[1.0, 2.0, -1.0], [0.5, 0.0, 3.0], [2.0, 2.0, 1.0]]
ODD_OBJECTS = [[0.0, 0.0, 0.0]]


def stack(objects):
    return torch.tensor(objects)


def lengths(objects):
    return [len(obj) for obj in objects]


class Good(Encoder):
    """A linear layer over lists of numbers, minus the mean of the training data."""

    def __init__(self, embedding_size=4, scale=1.0, trainable=False):
        super().__init__()
        self.scale, self._trainable = scale, trainable
        self.register_buffer("mean", torch.zeros(3))
        self.layer = nn.Linear(3, embedding_size)
        self.dropout = nn.Dropout(0.5)

    @classmethod
    def from_data(cls, objects, **config):
        encoder = cls.from_config(config)
        encoder.mean = torch.tensor(list(objects)).mean(dim=0)
        return encoder

    @property
    def trainable(self):
        return self._trainable

    @property
    def embedding_size(self):
        return self.layer.out_features

    def get_collate_fn(self):
        return stack

    def get_length_fn(self):
        return lengths

    def forward(self, batch):
        return self.layer(self.dropout(batch - self.mean)) * self.scale

    def get_config_dict(self):
        return {
            "embedding_size": self.embedding_size,
            "scale": self.scale,
            "trainable": self.trainable,
        }


class NotBuilt(Good):
    def __init__(self):
        raise RuntimeError("no model")


class TrainableIsANumber(Good):
    trainable = 0


class TellsAnotherSize(Good):
    @property
    def embedding_size(self):
        return 5

    def get_config_dict(self):
        return {**super().get_config_dict(), "embedding_size": 4}


class Squeezes(Good):
    def forward(self, batch):
        return super().forward(batch).squeeze()


class AlwaysDrops(Good):
    def forward(self, batch):
        return F.dropout(super().forward(batch), training=True)


class CentresTheBatch(Good):
    def forward(self, batch):
        embeddings = super().forward(batch)
        return embeddings - 0.5 * embeddings.mean(dim=0)


class Trains(Good):
    def train(self, mode=True):
        return nn.Module.train(self, mode)


class HasAnUnusedParameter(Good):
    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.unused = nn.Linear(2, 2)


class ForgetsAnArgument(Good):
    def get_config_dict(self):
        return {"embedding_size": self.embedding_size, "trainable": self.trainable}


class LoadsNoWeights(Good):
    @classmethod
    def load(cls, input_path):
        return cls.from_config(read_json(Path(input_path) / "config.json"))


class Pickles(Good):
    def save(self, output_path):
        super().save(output_path)
        torch.save(self.layer, Path(output_path) / "layer")


class ReadsWhatItNeeds(Good):
    @classmethod
    def load(cls, input_path):
        encoder = cls.from_config(read_json(Path(input_path) / "config.json"))
        load_weights(encoder, input_path)
        return encoder


class NamesItsFiles(ReadsWhatItNeeds):
    saved_files = ("config.json", "weights.safetensors")


class CollatesWithALambda(Good):
    def get_collate_fn(self):
        return lambda objects: torch.tensor(objects)


class CollatesWithItsWeights(Good):
    def get_collate_fn(self):
        return self.collate

    def collate(self, objects):
        return stack(objects)


def stack_in_the_main_process(objects):
    if get_worker_info() is not None:
        raise RuntimeError("this connection belongs to another process")
    return stack(objects)


class CollatesInTheMainProcess(Good):
    def get_collate_fn(self):
        return stack_in_the_main_process


def negative_lengths(objects):
    return [-1 for _ in objects]


class TellsNegativeLengths(Good):
    def get_length_fn(self):
        return negative_lengths


def stack_and_shift(objects):
    batch = stack(objects)
    for obj in objects:
        obj[0] += 1.0
    return batch


class ChangesObjects(Good):
    def get_collate_fn(self):
        return stack_and_shift


class GivesDoubles(Good):
    def forward(self, batch):
        return super().forward(batch).double()


class KeepsAPlainTensor(Good):
    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.shift = torch.ones(4)

    def forward(self, batch):
        return super().forward(batch) + self.shift


class MakesATensorAnywhere(Good):
    def forward(self, batch):
        return super().forward(batch) + torch.ones(4)


class Named(list):
    """A list whose attribute `name` is lost when it is pickled, and thus in a cache."""

    def __init__(self, values, name=0.0):
        super().__init__(values)
        self.name = name


def stack_with_names(objects):
    return torch.tensor([[obj.name, obj[1], obj[2]] for obj in objects])


class ReadsMoreThanTheContent(Good):
    def get_collate_fn(self):
        return stack_with_names


class DividesByLength(Good):
    def forward(self, batch):
        return super().forward(batch / batch.norm(dim=1, keepdim=True))


class ReadsObjectsTwice(Good):
    @classmethod
    def from_data(cls, objects, **config):
        encoder = cls.from_config(config)
        count = sum(1 for _ in objects)
        encoder.mean = torch.tensor(list(objects)).sum(dim=0) / count
        return encoder


MUTANTS = {
    "construction": [NotBuilt],
    "interface": [TrainableIsANumber],
    "output": [TellsAnotherSize],
    "batch_of_one": [Squeezes],
    "determinism": [AlwaysDrops],
    "order_invariance": [CentresTheBatch],
    "frozen": [Trains],
    "gradients": [lambda: HasAnUnusedParameter(trainable=True)],
    "config_round_trip": [lambda: ForgetsAnArgument(scale=2.0)],
    "model_folder_round_trip": [LoadsNoWeights],
    "saved_without_pickle": [Pickles],
    "surplus_files": [ReadsWhatItNeeds],
    "collate_is_picklable": [CollatesWithALambda, CollatesWithItsWeights],
    "collate_in_worker": [CollatesInTheMainProcess],
    "facts": [TellsNegativeLengths],
    "objects_unchanged": [ChangesObjects],
    "precision": [GivesDoubles],
    "device": [KeepsAPlainTensor, MakesATensorAnywhere],
    "cached_equals_uncached": [ReadsMoreThanTheContent],
    "odd_objects": [DividesByLength],
    "from_data": [ReadsObjectsTwice],
}


def objects_for(mutant):
    if mutant is ReadsMoreThanTheContent:
        return [Named([1.0, 2.0, 3.0], name) for name in (4.0, 5.0)]
    return copy.deepcopy(OBJECTS)


def check(encoder, objects=None):
    torch.manual_seed(0)
    return check_encoder(encoder, objects or copy.deepcopy(OBJECTS), odd_objects=ODD_OBJECTS)


@pytest.fixture(scope="module")
def good():
    return {trainable: check(partial(Good, 4, 2.0, trainable)) for trainable in (False, True)}


def test_a_good_encoder_passes_all_checks(good):
    for report in good.values():
        report.raise_for_failures()
    frozen, trainable = good[False], good[True]
    assert {r.check for r in frozen.results if r.status is Status.NOT_APPLICABLE} == {"gradients"}
    assert {r.check for r in trainable.results if r.status is Status.NOT_APPLICABLE} == {
        "frozen", "cached_equals_uncached",
    }  # fmt: skip


def test_an_encoder_that_names_its_files_passes():
    assert check(NamesItsFiles)["surplus_files"].status is Status.PASSED


def test_each_check_has_a_mutant():
    assert list(MUTANTS) == list(ENCODER_CHECKS)


@pytest.mark.parametrize(
    ("name", "mutant"), [(name, mutant) for name, several in MUTANTS.items() for mutant in several]
)
def test_a_check_fails_what_it_catches(name, mutant):
    result = check(mutant, objects_for(mutant))[name]
    assert result.status is Status.FAILED, result
    assert result.message
    assert result.way_out == ENCODER_CHECKS[name].way_out


def test_an_encoder_is_not_changed_by_its_checks():
    encoder = Good(trainable=True)
    before = copy.deepcopy(encoder.state_dict())
    check(encoder).raise_for_failures()
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
    assert all(parameter.grad is None for parameter in encoder.parameters())


def test_one_object_does_not_tell_enough():
    with pytest.raises(ValueError, match="two or more distinct raw objects, got 1"):
        check_encoder(Good(), [[1.0, 2.0, 3.0]])


def test_an_encoder_with_its_own_save_needs_no_configuration():
    class Unconfigured(Good):
        get_config_dict = Encoder.get_config_dict

        def save(self, output_path):
            torch.save(self, Path(output_path) / "all")

    result = check(Unconfigured)["config_round_trip"]
    assert result.status is Status.NOT_APPLICABLE
    assert "overrides save()" in result.message
