"""An encoder that augments sees training data augmented, and no others."""

import pytest
import torch

from quaterion_core import Quaterion
from quaterion_core.dataset import GroupSimilarityDataLoader, SimilarityGroupSample
from quaterion_core.encoders import Encoder, SwitchEncoder
from quaterion_core.train.cache import CacheConfig

TRAINING = [SimilarityGroupSample([float(n), 1.0], n % 3) for n in range(12)]
VALIDATION = [SimilarityGroupSample([float(n), 1.0], n % 3) for n in range(6)]  # some are the same


def plain(objects):
    return torch.tensor(objects)


def shaken(objects):
    """Leave a trace in the second number, and another one each time."""
    return torch.tensor(objects) * torch.tensor([1.0, 100.0]) + torch.rand(len(objects), 2) / 4


class Augmenting(Encoder):
    def __init__(self, trainable=True):
        super().__init__()
        self._trainable = trainable
        self.weight = torch.nn.Parameter(torch.ones(2))
        self.trained_on, self.others = [], []

    @property
    def trainable(self):
        return self._trainable

    @property
    def embedding_size(self):
        return 2

    def get_collate_fn(self):
        return plain

    def get_train_collate_fn(self):
        return shaken

    def forward(self, batch):
        rows = batch.detach().tolist()
        self.trained_on += [tuple(row) for row in rows if row[1] > 50]
        self.others += [tuple(row) for row in rows if row[1] < 50]
        return batch * self.weight


class Plain(Augmenting):
    def get_train_collate_fn(self):
        return None


def fit(encoder, make_trainer, cache=None, validate=True, epochs=2):
    model = Quaterion.build(
        encoder=encoder, head="skip-connection", loss="triplet", cache=cache,
        optimizer={"name": "sgd", "lr": 1e-4},
    )  # fmt: skip
    Quaterion.fit(
        model,
        make_trainer(max_epochs=epochs, num_sanity_val_steps=0),
        GroupSimilarityDataLoader(TRAINING, batch_size=6),
        GroupSimilarityDataLoader(VALIDATION, batch_size=6) if validate else None,
    )
    return model


def test_training_data_are_augmented_at_each_step_and_validation_data_never(make_trainer):
    encoder = Augmenting()
    fit(encoder, make_trainer)

    assert len(set(encoder.trained_on)) == 2 * len(TRAINING)
    assert sorted(encoder.others) == sorted(2 * [tuple(s.obj) for s in VALIDATION])


def test_nothing_is_augmented_for_encoding(make_trainer):
    encoder = Augmenting()
    model = fit(encoder, make_trainer)
    encoder.trained_on.clear()

    model.model.encode([sample.obj for sample in TRAINING])

    assert not encoder.trained_on


def test_a_cache_keeps_views_of_training_data_and_one_embedding_of_validation_data(make_trainer):
    encoder = Augmenting(trainable=False)
    fit(encoder, make_trainer, CacheConfig(views=4))

    assert len(set(encoder.trained_on)) == 4 * len(TRAINING)
    assert sorted(encoder.others) == sorted(tuple(s.obj) for s in VALIDATION)


def test_a_cache_without_validation_data_has_views_alone(make_trainer):
    encoder = Augmenting(trainable=False)
    fit(encoder, make_trainer, CacheConfig(views=4), validate=False)

    assert (len(encoder.trained_on), len(encoder.others)) == (4 * len(TRAINING), 0)


def test_kept_views_are_used_again(make_trainer, tmp_path):
    cache = CacheConfig(views=4, save_dir=str(tmp_path))
    fit(Augmenting(trainable=False), make_trainer, cache)
    again = Augmenting(trainable=False)
    fit(again, make_trainer, cache)

    assert again.trained_on == again.others == []


def test_a_cache_of_a_single_view_is_refused(make_trainer):
    with pytest.raises(ValueError, match=r"'default' augments training data.* views=8"):
        fit(Augmenting(trainable=False), make_trainer, CacheConfig())


def test_an_encoder_beside_a_cached_one_still_augments(make_trainer):
    encoder, cached = Augmenting(), Plain(trainable=False)
    model = Quaterion.build(
        encoders={"one": encoder, "two": cached}, loss="triplet", cache=CacheConfig()
    )
    Quaterion.fit(
        model,
        make_trainer(max_epochs=1, num_sanity_val_steps=0),
        GroupSimilarityDataLoader(TRAINING, batch_size=6),
        GroupSimilarityDataLoader(VALIDATION, batch_size=6),
    )

    assert len(encoder.trained_on) == len(TRAINING)
    assert len(encoder.others) == len(VALIDATION)


class ByParity(SwitchEncoder):
    @classmethod
    def encoder_selection(cls, record):
        return "odd" if record[0] % 2 else "even"


def test_a_switch_encoder_augments_what_its_options_do(make_trainer):
    odd, even = Augmenting(), Plain()
    fit(ByParity({"odd": odd, "even": even}), make_trainer, epochs=1)

    assert len(odd.trained_on) == len(TRAINING) / 2
    assert len(odd.others) == len(VALIDATION) / 2
    assert len(even.others) == (len(TRAINING) + len(VALIDATION)) / 2
    assert not even.trained_on


def test_a_switch_encoder_without_such_options_augments_nothing():
    assert ByParity({"odd": Plain(), "even": Plain()}).get_train_collate_fn() is None
