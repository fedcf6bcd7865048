"""What a cache has embedded is looked up by evaluations before, during and after the training."""

import copy

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from quaterion_core import Quaterion
from quaterion_core.dataset import (
    GroupSimilarityDataLoader,
    PairsSimilarityDataLoader,
    SimilarityGroupSample,
    SimilarityPairSample,
)
from quaterion_core.encoders import Encoder, SwitchEncoder
from quaterion_core.eval import Evaluator
from quaterion_core.eval.group import RetrievalRPrecision
from quaterion_core.eval.samplers import GroupSampler
from quaterion_core.heads import SkipConnectionHead, SwitchHead
from quaterion_core.plugins import hookimpl
from quaterion_core.train.cache import CacheConfig, CacheType


class Counting(Encoder):
    """Remembers every object that it embeds; dropout tells training from evaluation."""

    def __init__(self, size=4, trainable=False):
        super().__init__()
        torch.manual_seed(size)
        self.layer, self.dropout = torch.nn.Linear(3, size), torch.nn.Dropout(0.5)
        self._trainable = trainable
        self.seen = []

    @property
    def trainable(self):
        return self._trainable

    @property
    def embedding_size(self):
        return self.layer.out_features

    def get_collate_fn(self):
        return torch.tensor

    def forward(self, batch):
        self.seen += map(tuple, batch.tolist())
        return self.dropout(self.layer(batch))


class Augmenting(Counting):
    """Moves objects of the training data far away."""

    def get_train_collate_fn(self):
        return lambda objects: torch.tensor(objects) + 100 + torch.rand(len(objects), 1)


def points(count, seed):
    return torch.randn(count, 3, generator=torch.Generator().manual_seed(seed)).tolist()


def samples_of(objects):
    return [SimilarityGroupSample(obj, n % 3) for n, obj in enumerate(objects)]


TRAINING = points(12, seed=1)
VALIDATION = [*points(6, seed=2), TRAINING[0]]
GALLERY = points(9, seed=3)


def build(encoder, cache, **encoders):
    """Build the same model each time, of a new encoder and those given by key."""
    torch.manual_seed(0)
    return Quaterion.build(
        encoders={"one": encoder(), **encoders}, head="skip-connection", loss="triplet",
        cache=cache, optimizer={"name": "sgd", "lr": 0.05},
    )  # fmt: skip


def embeddings(model, make_trainer, evaluated=(), objects=(*VALIDATION, *TRAINING, *GALLERY)):
    """Return the embeddings before and after two epochs of training."""
    training = GroupSimilarityDataLoader(samples_of(TRAINING), batch_size=6)
    evaluated = [training if data is TRAINING else loader(data) for data in evaluated]
    validation = loader(VALIDATION)
    trainer = make_trainer(num_sanity_val_steps=0)
    torch.manual_seed(1)
    with Quaterion.prepare(model, trainer, training, validation, evaluated=evaluated) as train:
        before = model.model.encode(list(objects), batch_size=8)
        train()
        after = model.model.encode(list(objects), batch_size=8)
    assert not np.allclose(before, after)
    return np.stack([before, after])


def loader(objects):
    return GroupSimilarityDataLoader(samples_of(objects), batch_size=6)


@pytest.mark.parametrize(
    "cache",
    [
        CacheConfig(),
        CacheConfig(CacheType.CPU, batch_size=5),
        CacheConfig(CacheType.DISK),
        CacheConfig(CacheType.GPU),
        CacheConfig(views=2),
    ],
)
def test_every_distinct_object_is_embedded_once(make_trainer, cache):
    model = build(Counting, cache)
    found = embeddings(model, make_trainer, evaluated=[GALLERY, TRAINING])

    seen = model.model.encoders["one"].seen
    assert len(set(seen)) == 12 + 6 + 9
    assert len(seen) == cache.views * len(set(seen))
    np.testing.assert_allclose(found, embeddings(build(Counting, None), make_trainer), atol=1e-5)


def test_the_cache_is_kept_for_later_runs(make_trainer, tmp_path):
    cache = CacheConfig(save_dir=str(tmp_path))
    models = [build(Counting, cache) for _ in range(2)]
    first, second = (embeddings(model, make_trainer, evaluated=[GALLERY]) for model in models)

    np.testing.assert_array_equal(first, second)
    assert models[1].model.encoders["one"].seen == []


def test_half_precision_is_looked_up_in_full(make_trainer):
    found = embeddings(build(Counting, CacheConfig(dtype=torch.float16)), make_trainer)

    assert found.dtype == np.float32
    expected = embeddings(build(Counting, None), make_trainer)
    np.testing.assert_allclose(found, expected, atol=2e-2)


def test_other_encoders_run_as_always(make_trainer):
    cache = CacheConfig(mapping={"frozen": CacheType.NONE})
    cached, plain = (
        build(Counting, config, frozen=Counting(3), trained=Counting(2, trainable=True))
        for config in (cache, None)
    )
    for model in (cached, plain):
        model.model.encoders["trained"].dropout.p = 0.0
    found = embeddings(cached, make_trainer, evaluated=[GALLERY])

    np.testing.assert_allclose(found, embeddings(plain, make_trainer), atol=1e-5)
    assert len(cached.model.encoders["one"].seen) == 12 + 6 + 9
    for key in ("frozen", "trained"):
        seen, expected = (sorted(model.model.encoders[key].seen) for model in (cached, plain))
        assert seen == expected


def test_what_is_not_known_is_embedded(make_trainer):
    model = build(Counting, CacheConfig())
    found = embeddings(model, make_trainer)

    np.testing.assert_allclose(found, embeddings(build(Counting, None), make_trainer), atol=1e-5)
    assert set(map(tuple, GALLERY)) < set(model.model.encoders["one"].seen)


def test_training_data_are_evaluated_as_they_are(make_trainer):
    cached = build(Augmenting, CacheConfig(views=2))
    objects = [*TRAINING, *VALIDATION]
    found = embeddings(cached, make_trainer, evaluated=[TRAINING], objects=objects)

    seen = cached.model.encoders["one"].seen
    plain = [obj for obj in seen if max(obj) < 50]
    assert len(plain) == len(set(plain)) == 12 + 6
    assert len(seen) == len(plain) + 2 * 12
    expected = build(Augmenting, None).model.encode(objects)
    np.testing.assert_allclose(found[0], expected, atol=1e-5)


def test_augmented_data_alone_are_never_looked_up(make_trainer):
    model = build(Augmenting, CacheConfig(views=2))
    expected = model.model.encode(TRAINING)
    with Quaterion.prepare(model, make_trainer(), loader(TRAINING)):
        np.testing.assert_array_equal(model.model.encode(TRAINING), expected)


class BySign(SwitchEncoder):
    @classmethod
    def encoder_selection(cls, record):
        return "positive" if record[0] > 0 else "negative"


def test_the_head_knows_which_encoder_an_object_went_through(make_trainer):
    def build(cache):
        torch.manual_seed(0)
        heads = {"positive": SkipConnectionHead(4), "negative": SkipConnectionHead(4)}
        return Quaterion.build(
            encoder=BySign({"positive": Counting(), "negative": Counting()}),
            head=SwitchHead(heads, input_embedding_size=4),
            loss="triplet", cache=cache, optimizer={"name": "sgd", "lr": 0.05},
        )  # fmt: skip

    found, expected = (embeddings(build(cache), make_trainer) for cache in (CacheConfig(), None))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_objects_of_equal_keys_share_an_embedding(make_trainer):
    model = build(Counting, CacheConfig(key_extractors=lambda obj: obj[0] > 0))
    with Quaterion.prepare(model, make_trainer(), loader(TRAINING)):
        found = model.model.encode(TRAINING)
    assert len(np.unique(found, axis=0)) == len(model.model.encoders["one"].seen) == 2


def test_pairs_are_looked_up_too(make_trainer):
    pairs = [SimilarityPairSample(a, b) for a, b in zip(TRAINING, GALLERY, strict=False)]
    model = Quaterion.build(
        encoder=Counting(), head="skip-connection", loss="multiple-negatives-ranking",
        cache=CacheConfig(),
    )  # fmt: skip
    expected = model.model.encode(TRAINING[:9] + GALLERY)
    model.model.encoders["default"].seen.clear()
    loader = PairsSimilarityDataLoader(pairs, batch_size=3)
    with Quaterion.prepare(model, make_trainer(), loader):
        found = model.model.encode(TRAINING[:9] + GALLERY)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert len(model.model.encoders["default"].seen) == 18


def test_evaluations_in_mid_training_look_up_too(make_trainer):
    class Evaluating(pl.Callback):
        values = []

        def on_train_epoch_end(self, trainer, pl_module):
            metric = Evaluator(RetrievalRPrecision(), GroupSampler(log_progress=False))
            (value,) = metric.evaluate(samples_of(TRAINING), pl_module.model).values()
            self.values.append(float(value))

    model = build(Counting, CacheConfig())
    Quaterion.fit(model, make_trainer(callbacks=[Evaluating()]), loader(TRAINING))
    assert len(Evaluating.values) == 2
    assert len(model.model.encoders["one"].seen) == 12


def test_nothing_is_looked_up_afterwards(make_trainer):
    model = build(Counting, CacheConfig())
    embeddings(model, make_trainer)
    encoder = model.model.encoders["one"]
    encoder.seen.clear()
    model.model.encode(TRAINING)
    assert len(encoder.seen) == 12

    with (
        pytest.raises(KeyboardInterrupt),
        Quaterion.prepare(model, make_trainer(), loader(TRAINING)),
    ):
        raise KeyboardInterrupt
    encoder.seen.clear()
    model.model.encode(TRAINING)
    assert len(encoder.seen) == 12


def test_a_copy_of_the_model_shares_the_table(make_trainer):
    model = build(Counting, CacheConfig())
    with Quaterion.prepare(model, make_trainer(), loader(TRAINING)):
        copied = copy.deepcopy(model.model)
        np.testing.assert_array_equal(copied.encode(TRAINING), model.model.encode(TRAINING))
        read, original = (m.get_collate_fn().keywords for m in (copied, model.model))
        assert read["encoders_collate_fns"]["one"] is original["encoders_collate_fns"]["one"]
    assert len(copied.encoders["one"].seen) == 12


def test_plugins_act_before_the_cache_is_filled_and_once_the_training_is_over(make_trainer):
    class Watch:
        def __init__(self):
            self.seen, self.after = None, []

        @hookimpl
        def quaterion_before_fit(self, model):
            self.seen = len(model.model.encoders["one"].seen)

        @hookimpl
        def quaterion_after_fit(self, model):
            self.after.append(any("encoder" in name for name in model.state_dict()))

    model, plugin = build(Counting, CacheConfig()), Watch()
    with Quaterion.prepare(model, make_trainer(), loader(TRAINING), plugins=[plugin]) as train:
        assert (plugin.seen, plugin.after) == (0, [])
        train()
        assert plugin.after == [True]
    assert plugin.after == [True]


def test_what_is_evaluated_is_given_as_loaders(make_trainer):
    model = build(Counting, CacheConfig())
    with (
        pytest.raises(TypeError, match=r"evaluated\[1\] to be .*, got a list"),
        Quaterion.prepare(
            model,
            make_trainer(),
            loader(TRAINING),
            evaluated=[loader(GALLERY), samples_of(GALLERY)],
        ),
    ):
        pass
    assert model.model.encoders["one"].seen == []
