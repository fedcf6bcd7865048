import copy
import itertools
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import Dataset, IterableDataset

from quaterion_core import Quaterion, SimilarityModel, TrainableModel
from quaterion_core.dataset import (
    GroupSimilarityDataLoader,
    PairsSimilarityDataLoader,
    SimilarityGroupSample,
    SimilarityPairSample,
)
from quaterion_core.encoders import Encoder, SwitchEncoder
from quaterion_core.heads import SkipConnectionHead, SwitchHead
from quaterion_core.loss import (
    ArcFaceLoss,
    ContrastiveLoss,
    MultipleNegativesRankingLoss,
    TripletLoss,
)
from quaterion_core.train.cache import CacheConfig, CacheType


class Counting(Encoder):
    """A frozen encoder that remembers every object that it was asked for."""

    def __init__(self, size=4, trainable=False):
        super().__init__()
        self.layer = torch.nn.Linear(3, size)
        self.normalise = torch.nn.BatchNorm1d(size)
        self.dropout = torch.nn.Dropout(0.5)
        self.seen = []
        self._trainable = trainable

    @property
    def trainable(self):
        return self._trainable

    @property
    def embedding_size(self):
        return self.layer.out_features

    def get_collate_fn(self):
        return torch.tensor

    def forward(self, batch):
        self.seen.extend(map(tuple, batch.tolist()))
        return self.normalise(self.dropout(self.layer(batch)))


class Model(TrainableModel):
    def __init__(self, encoders, loss, cache, head=SkipConnectionHead, learning_rate=0.05):
        self._parts = encoders, loss, cache, head
        self._learning_rate = learning_rate
        super().__init__()

    def configure_encoders(self):
        return self._parts[0]

    def configure_head(self, input_embedding_size):
        return self._parts[3](input_embedding_size)

    def configure_loss(self):
        return self._parts[1]

    def configure_caches(self):
        return self._parts[2]

    def configure_optimizers(self):
        return torch.optim.SGD(self.model.parameters(), lr=self._learning_rate)


class Losses(pl.Callback):
    def __init__(self):
        self.values = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.values.append(float(outputs["loss"]))


def numbers(count):
    generator = torch.Generator().manual_seed(3)
    return torch.randn(count, 3, generator=generator).tolist()


@pytest.fixture
def pair_samples():
    points = numbers(12)
    return [
        SimilarityPairSample(points[n % 12], points[(5 * n + 1) % 12], subgroup=n % 7)
        for n in range(20)
    ]


@pytest.fixture
def group_samples():
    points = numbers(6)
    return [SimilarityGroupSample(points[n % 6], group=f"g{n % 3}") for n in range(18)]


def losses(make_trainer, cache, samples, *, encoders=None, loader=None, loss=None, **arguments):
    """Train a copy of the same model and return its losses, step by step, and the model."""
    torch.manual_seed(0)
    encoders = copy.deepcopy(encoders) if encoders is not None else Counting()
    model = Model(encoders, loss or MultipleNegativesRankingLoss(), cache)
    callback = Losses()
    loader = loader or PairsSimilarityDataLoader
    torch.manual_seed(1)
    Quaterion.fit(
        model,
        make_trainer(max_epochs=3, callbacks=[callback]),
        loader(samples, batch_size=6, **arguments),
        loader(samples[:5], batch_size=6),
    )
    return callback.values, model


EVERYWHERE = [
    CacheConfig(),
    CacheConfig(CacheType.CPU),
    CacheConfig(CacheType.GPU),
    CacheConfig(CacheType.DISK),
    CacheConfig(CacheType.NONE, mapping={"default": CacheType.DISK}, batch_size=1),
]


@pytest.mark.parametrize("cache", EVERYWHERE)
def test_cached_and_uncached_training_are_the_same(make_trainer, pair_samples, cache):
    cached, model = losses(make_trainer, cache, pair_samples)
    plain, other = losses(make_trainer, None, pair_samples)
    assert len(cached) == 12
    np.testing.assert_allclose(cached, plain, rtol=1e-5)
    for name, value in other.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value)


def test_groups_are_cached_too(make_trainer, group_samples):
    arguments = {"loader": GroupSimilarityDataLoader, "loss": TripletLoss()}
    cached, _ = losses(make_trainer, CacheConfig(), group_samples, **arguments)
    plain, _ = losses(make_trainer, None, group_samples, **arguments)
    np.testing.assert_allclose(cached, plain, rtol=1e-5)


@pytest.mark.parametrize(
    "arguments",
    [
        {"shuffle": True},
        {"num_workers": 2, "persistent_workers": True},
        {"drop_last": True},
        {"sampler": list(reversed(range(20)))},
    ],
)
def test_loaders_keep_their_order_and_batches(make_trainer, pair_samples, arguments):
    cached, _ = losses(make_trainer, CacheConfig(), pair_samples, **arguments)
    plain, _ = losses(make_trainer, None, pair_samples, **arguments)
    np.testing.assert_allclose(cached, plain, rtol=1e-5)


def test_every_distinct_object_is_embedded_once(make_trainer, pair_samples):
    _, model = losses(make_trainer, CacheConfig(), pair_samples)
    seen = model.model.encoders["default"].seen
    assert len(seen) == len(set(seen)) == 12


def test_duplicates_do_not_shift_anything(make_trainer):
    points = numbers(4)
    samples = [SimilarityPairSample(points[n % 2], points[2 + n % 2]) for n in range(6)]
    cached, _ = losses(make_trainer, CacheConfig(), samples)
    plain, _ = losses(make_trainer, None, samples)
    np.testing.assert_allclose(cached, plain, rtol=1e-5)


def test_several_encoders_some_of_them_trained(make_trainer, pair_samples):
    torch.manual_seed(5)
    encoders = {"a": Counting(2), "b": Counting(3, trainable=True), "c": Counting(4)}
    encoders["b"].dropout = torch.nn.Identity()
    cached, model = losses(make_trainer, CacheConfig(), pair_samples, encoders=encoders)
    plain, _ = losses(make_trainer, None, pair_samples, encoders=encoders)
    np.testing.assert_allclose(cached, plain, rtol=1e-5)
    assert len(model.model.encoders["a"].seen) == 12
    assert len(model.model.encoders["b"].seen) > 100


def test_an_encoder_that_is_mapped_to_none_is_not_cached(make_trainer, pair_samples):
    encoders = {"a": Counting(2), "b": Counting(3)}
    config = CacheConfig(mapping={"b": CacheType.NONE})
    _, model = losses(make_trainer, config, pair_samples, encoders=encoders)
    assert len(model.model.encoders["a"].seen) == 12
    assert len(model.model.encoders["b"].seen) > 100


def test_iterable_data_of_one_pass(make_trainer, pair_samples):
    class Stream(IterableDataset):
        def __iter__(self):
            return iter(pair_samples)

        def __len__(self):
            return len(pair_samples)

    torch.manual_seed(0)
    model = Model(Counting(), MultipleNegativesRankingLoss(), CacheConfig())
    callback = Losses()
    trainer = make_trainer(max_epochs=3, callbacks=[callback])
    Quaterion.fit(model, trainer, PairsSimilarityDataLoader(Stream(), batch_size=6))
    plain, _ = losses(make_trainer, None, pair_samples)
    np.testing.assert_allclose(callback.values, plain, rtol=1e-5)


def test_key_extractors_say_what_is_the_same(make_trainer, pair_samples):
    config = CacheConfig(key_extractors=lambda obj: round(obj[0] > 0))
    _, model = losses(make_trainer, config, pair_samples, loss=ContrastiveLoss())
    assert len(model.model.encoders["default"].seen) == 2


def test_half_precision_costs_half_precision(make_trainer, pair_samples):
    cached, _ = losses(make_trainer, CacheConfig(dtype=torch.float16), pair_samples)
    plain, _ = losses(make_trainer, None, pair_samples)
    np.testing.assert_allclose(cached, plain, rtol=2e-2)
    assert cached != plain


def test_views_are_drawn_among_those_that_were_embedded(make_trainer, pair_samples):
    class Noisy(Counting):
        def get_collate_fn(self):
            return lambda objects: torch.tensor(objects) + 0.01 * torch.randn(len(objects), 3)

    _, model = losses(make_trainer, CacheConfig(views=3), pair_samples, encoders=Noisy())
    seen = model.model.encoders["default"].seen
    assert len(seen) == len(set(seen)) == 3 * 12


class ByLength(SwitchEncoder):
    @classmethod
    def encoder_selection(cls, record):
        return "positive" if record[0] > 0 else "negative"


def test_the_head_still_knows_which_encoder_an_object_went_through(make_trainer, pair_samples):
    def head(size):
        options = {"positive": SkipConnectionHead(size), "negative": SkipConnectionHead(size)}
        return SwitchHead(options, input_embedding_size=size)

    results = []
    for cache in (CacheConfig(), None):
        torch.manual_seed(0)
        encoder = ByLength({"positive": Counting(), "negative": Counting()})
        model = Model(encoder, MultipleNegativesRankingLoss(), cache, head)
        callback = Losses()
        Quaterion.fit(
            model,
            make_trainer(callbacks=[callback]),
            PairsSimilarityDataLoader(pair_samples, batch_size=6),
        )
        results.append(callback.values)
    np.testing.assert_allclose(*results, rtol=1e-5)


# Frozen means constant, and the encoder is out of the way.


@pytest.mark.parametrize("cache", [None, CacheConfig()])
def test_a_frozen_encoder_stays_what_it_is(make_trainer, pair_samples, cache):
    class Watch(pl.Callback):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            encoder = pl_module.model.encoders["default"]
            assert not any(module.training for module in encoder.modules())
            assert not any(parameter.requires_grad for parameter in encoder.parameters())

    torch.manual_seed(0)
    model = Model(Counting(), MultipleNegativesRankingLoss(), cache)
    before = copy.deepcopy(model.model.encoders["default"].state_dict())
    loader = PairsSimilarityDataLoader(pair_samples, batch_size=6)
    Quaterion.fit(model, make_trainer(callbacks=[Watch()]), loader, loader)
    after = model.model.encoders["default"].state_dict()
    assert all(torch.equal(value, before[name]) for name, value in after.items())


def test_checkpoints_of_a_cached_training_leave_the_encoder_out(
    make_trainer, pair_samples, tmp_path
):
    class Saving(pl.Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            trainer.save_checkpoint(tmp_path / "epoch.ckpt")

    torch.manual_seed(0)
    model = Model(Counting(), MultipleNegativesRankingLoss(), CacheConfig())
    loader = PairsSimilarityDataLoader(pair_samples, batch_size=6)
    Quaterion.fit(model, make_trainer(callbacks=[Saving()]), loader)
    state = torch.load(tmp_path / "epoch.ckpt", weights_only=False)["state_dict"]
    assert any("head" in name for name in state)
    assert not any("encoder" in name for name in state)
    model.load_state_dict(state)  # it can still be loaded where the encoder is not cached
    assert any("encoder" in name for name in model.state_dict())


def test_missing_weights_of_a_trained_encoder_are_still_an_error():
    model = Model(Counting(trainable=True), MultipleNegativesRankingLoss(), None)
    state = {name: value for name, value in model.state_dict().items() if "layer" not in name}
    with pytest.raises(RuntimeError, match=r"Missing key.*layer\.weight"):
        model.load_state_dict(state)


def test_the_model_encodes_in_mid_training(make_trainer, pair_samples):
    class Encoding(pl.Callback):
        shapes = []

        def on_train_epoch_end(self, trainer, pl_module):
            self.shapes.append(pl_module.model.encode([[1.0, 2.0, 3.0]]).shape)

    torch.manual_seed(0)
    model = Model(Counting(), MultipleNegativesRankingLoss(), CacheConfig())
    loader = PairsSimilarityDataLoader(pair_samples, batch_size=6)
    Quaterion.fit(model, make_trainer(callbacks=[Encoding()]), loader)
    assert Encoding.shapes == [(1, 4), (1, 4)]


def test_fit_can_be_repeated(make_trainer, pair_samples):
    model = Model(Counting(), MultipleNegativesRankingLoss(), CacheConfig())
    loader = PairsSimilarityDataLoader(pair_samples, batch_size=6)
    for _ in range(2):
        Quaterion.fit(model, make_trainer(max_epochs=1), loader)
    assert isinstance(next(iter(loader))[0], list)


# What is kept on disk.


def test_a_second_run_uses_what_the_first_one_kept(make_trainer, pair_samples, tmp_path):
    encoder = Counting()
    for expected in (12, 0):
        config = CacheConfig(save_dir=str(tmp_path / "cache"))
        _, model = losses(make_trainer, config, pair_samples, encoders=encoder)
        assert len(model.model.encoders["default"].seen) == expected


@pytest.mark.parametrize("change", ["weights", "data", "dtype", "batch_size"])
def test_what_does_not_match_is_filled_anew(make_trainer, pair_samples, tmp_path, change):
    encoder = Counting()
    settings = {"save_dir": str(tmp_path / "cache")}
    losses(make_trainer, CacheConfig(**settings), pair_samples, encoders=encoder)
    expected = 12
    if change == "weights":
        encoder.layer.weight.data += 1.0
    elif change == "data":
        pair_samples[0].obj_a = [9.0, 9.0, 9.0]
        expected = 13
    else:
        settings |= {"dtype": torch.float16} if change == "dtype" else {"batch_size": 2}
    values, model = losses(make_trainer, CacheConfig(**settings), pair_samples, encoders=encoder)
    assert len(model.model.encoders["default"].seen) == expected
    plain, _ = losses(make_trainer, None, pair_samples, encoders=encoder)
    np.testing.assert_allclose(values, plain, rtol=2e-2 if change == "dtype" else 1e-5)


@pytest.mark.parametrize("damage", ["cut off", "missing", "progress unreadable"])
def test_a_damaged_cache_is_filled_anew(make_trainer, pair_samples, tmp_path, damage):
    encoder = Counting()
    config = CacheConfig(save_dir=str(tmp_path))
    expected, _ = losses(make_trainer, config, pair_samples, encoders=encoder)
    (table,) = tmp_path.glob("*/embeddings.bin")
    if damage == "cut off":
        table.write_bytes(table.read_bytes()[:-8])
    elif damage == "missing":
        table.unlink()
    else:
        table.with_name("progress.json").write_text("{")
    values, model = losses(make_trainer, config, pair_samples, encoders=encoder)
    assert values == expected
    assert len(model.model.encoders["default"].seen) == 12


# What is wrong is said before anything is embedded.


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (CacheConfig(mapping={"tekst": CacheType.CPU}), "names the encoder 'tekst', but the model"),
        (CacheConfig(key_extractors={"tekst": str}), "names the encoder 'tekst'"),
        (CacheConfig(mapping={"trained": CacheType.CPU}), "'trained' is trainable"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(make_trainer, pair_samples, config, message):
    encoders = {"frozen": Counting(), "trained": Counting(trainable=True)}
    with pytest.raises(ValueError, match=message):
        losses(make_trainer, config, pair_samples, encoders=encoders)


@pytest.mark.parametrize(
    "settings", [{"batch_size": 0}, {"views": 0}, {"dtype": torch.int8}, {"cache_type": "tape"}]
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ValueError, match=r"at least 1|one of torch.float32|no type of cache"):
        CacheConfig(**settings)


def test_a_collate_function_of_the_user_cannot_be_cached(make_trainer, pair_samples):
    collate = PairsSimilarityDataLoader.pre_collate_fn
    with pytest.raises(ValueError, match="custom collate_fn cannot be cached"):
        losses(make_trainer, CacheConfig(), pair_samples, collate_fn=collate)


def test_nan_is_found_while_the_cache_is_filled(make_trainer, pair_samples):
    pair_samples[3].obj_b = [float("nan"), 0.0, 0.0]
    with pytest.raises(ValueError, match="'default' returns NaN or infinity"):
        losses(make_trainer, CacheConfig(), pair_samples)


def test_objects_are_read_in_workers_and_from_slow_data_sets(make_trainer, pair_samples):
    class Files(Dataset):
        def __len__(self):
            return len(pair_samples)

        def __getitem__(self, index):
            return copy.deepcopy(pair_samples[index])

    cached, _ = losses(make_trainer, CacheConfig(num_workers=2), Files())
    plain, _ = losses(make_trainer, None, pair_samples)
    np.testing.assert_allclose(cached, plain, rtol=1e-5)


def test_samples_without_an_index_cannot_feed_trained_encoders(make_trainer, pair_samples):
    class Stream(IterableDataset):
        def __iter__(self):
            return itertools.chain(pair_samples)

    encoders = {"a": Counting(2), "b": Counting(3, trainable=True)}
    model = Model(encoders, MultipleNegativesRankingLoss(), CacheConfig())
    with pytest.raises(ValueError, match="need its raw objects"):
        Quaterion.fit(model, make_trainer(), PairsSimilarityDataLoader(Stream(), batch_size=4))


def test_iterable_data_in_another_order_are_not_mixed_up(make_trainer, tmp_path):
    """They were keyed by position: each pass over them, and each run, got others' embeddings."""
    points = numbers(12)

    class Reshuffled(IterableDataset):
        passes = 0

        def __iter__(self):
            self.passes += 1
            order = np.random.default_rng(self.passes).permutation(12).tolist()
            return iter([SimilarityGroupSample(points[n], group=n) for n in order])

    class Comparing(pl.Callback):
        seen = []

        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            features, targets = batch
            groups = targets["groups"].tolist()
            expected = encoder(torch.tensor([points[group] for group in groups]))
            torch.testing.assert_close(features["data"]["default"].embeddings, expected)
            self.seen += groups

    encoder, dataset = Counting(), Reshuffled()
    for _ in range(2):
        loss = ArcFaceLoss(4, num_groups=12)
        model = Model(encoder, loss, CacheConfig(save_dir=str(tmp_path / "cache")))
        loader = GroupSimilarityDataLoader(dataset, batch_size=6)
        Quaterion.fit(model, make_trainer(callbacks=[Comparing()]), loader)
    assert sorted(Comparing.seen) == sorted(list(range(12)) * 4)  # two runs of two epochs


def test_a_servable_model_can_be_saved_in_mid_training(
    make_trainer, pair_samples, tmp_path, vector_encoder
):
    """Saving broke a cached training."""

    class Saving(Losses):
        def on_train_epoch_end(self, trainer, pl_module):
            pl_module.save_servable(tmp_path / f"epoch{trainer.current_epoch}")

    histories, embeddings = [], []
    for callback in (Losses(), Saving()):
        torch.manual_seed(0)
        encoder = vector_encoder(3, 4, trainable=False)
        model = Model(encoder, MultipleNegativesRankingLoss(), CacheConfig())
        loader = PairsSimilarityDataLoader(pair_samples, batch_size=6)
        Quaterion.fit(model, make_trainer(callbacks=[callback]), loader)
        histories.append(callback.values)
        embeddings.append(model.model.encode(numbers(12)))
    assert histories[0] == histories[1]
    np.testing.assert_array_equal(*embeddings)
    loaded = SimilarityModel.load(
        tmp_path / "epoch1", components={"local/vector-encoder": vector_encoder}
    )
    np.testing.assert_array_equal(loaded.encode(numbers(12)), embeddings[1])


@pytest.mark.parametrize(
    "accelerator",
    [
        "cpu",
        pytest.param(
            "gpu", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
        ),
    ],
)
def test_a_cached_encoder_is_not_where_the_rest_is_trained(make_trainer, pair_samples, accelerator):
    """It stayed on the GPU."""

    class Watch(pl.Callback):
        batches = 0

        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            encoder = pl_module.model.encoders["default"]
            assert not set(encoder.modules()) & set(pl_module.modules())
            assert {value.device.type for value in encoder.state_dict().values()} == {"cpu"}
            assert pl_module.device.type == ("cpu" if accelerator == "cpu" else "cuda")
            self.batches += 1

    watch = Watch()
    model = Model(Counting(), MultipleNegativesRankingLoss(), CacheConfig())
    loader = PairsSimilarityDataLoader(pair_samples, batch_size=6)
    Quaterion.fit(model, make_trainer(callbacks=[watch], accelerator=accelerator), loader)
    assert watch.batches == 8


def test_what_is_kept_on_disk_is_plain_numbers(make_trainer, pair_samples, tmp_path):
    """Caches were pickles."""
    encoder = Counting()
    losses(
        make_trainer, CacheConfig(save_dir=str(tmp_path / "cache")), pair_samples, encoders=encoder
    )
    (folder,) = filter(Path.is_dir, (tmp_path / "cache").iterdir())
    assert {path.name for path in folder.iterdir()} <= {"embeddings.bin", "progress.json", "lock"}
    kept = np.fromfile(folder / "embeddings.bin", np.float32).reshape(12, 4)
    with torch.no_grad():
        expected = encoder.eval()(torch.tensor(numbers(12))).numpy()
    np.testing.assert_allclose(
        kept[np.lexsort(kept.T)], expected[np.lexsort(expected.T)], rtol=1e-4, atol=1e-6
    )
