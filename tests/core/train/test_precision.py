"""Models whose encoders and heads compute in different types."""

import pytest
import torch

from quaterion_core import Quaterion, SimilarityModel
from quaterion_core.dataset import GroupSimilarityDataLoader
from quaterion_core.encoders import Encoder
from quaterion_core.heads import SkipConnectionHead
from quaterion_core.train.cache import CacheConfig

TYPES = {"bf16-true": torch.bfloat16, "16-true": torch.float16, "64-true": torch.float64}


class Widening(Encoder):
    """Computes in the type of its weights, and returns another one, as many models do."""

    embedding_size = 5

    def __init__(self, trainable, returned=torch.float32):
        super().__init__()
        self.layer = torch.nn.Linear(6, 5)
        self._trainable, self._returned = trainable, returned

    @property
    def trainable(self):
        return self._trainable

    def get_collate_fn(self):
        return torch.tensor

    def forward(self, batch):
        return self.layer(batch.to(self.layer.weight.dtype)).to(self._returned)


@pytest.mark.parametrize("cache", [None, CacheConfig()], ids=["plain", "cached"])
@pytest.mark.parametrize("precision", [*TYPES, "bf16-mixed"])
def test_every_precision_trains(make_trainer, groups, precision, cache):
    """The head got what the encoder returned, or a batch that could not be converted."""
    losses = []
    for chosen in (precision, "32-true"):
        torch.manual_seed(0)
        model = Quaterion.build(
            encoder=Widening(trainable=cache is None), head="skip-connection", loss="triplet",
            cache=cache, optimizer={"name": "sgd", "lr": 0.01},
        )  # fmt: skip
        trainer = make_trainer(precision=chosen)
        loader = GroupSimilarityDataLoader(groups, batch_size=8)
        Quaterion.fit(model, trainer, loader, loader)
        assert model.model.head.gates[0].dtype == TYPES.get(chosen, torch.float32)
        losses.append(float(trainer.callback_metrics["train_loss"]))
    assert losses[0] == pytest.approx(losses[1], rel=0.1)


@pytest.mark.parametrize("dtype", TYPES.values(), ids=str)
def test_a_converted_model_encodes(dtype):
    torch.manual_seed(0)
    model = SimilarityModel(Widening(trainable=True), SkipConnectionHead(5))
    expected = model.encode([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]], to_numpy=False)
    found = model.to(dtype).encode([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]], to_numpy=False)
    assert found.dtype == dtype
    torch.testing.assert_close(found.float(), expected, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("dtype", TYPES.values(), ids=str)
def test_encoders_of_several_types_are_joined(dtype):
    encoders = {"a": Widening(True, returned=dtype), "b": Widening(True, returned=torch.float32)}
    model = SimilarityModel(encoders, SkipConnectionHead(10))
    assert model.encode([[0.5] * 6], to_numpy=False).dtype == torch.float32


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "rmsprop", "adagrad"])
def test_an_eps_that_is_0_in_float16_is_raised(make_trainer, groups, optimizer):
    """The first step divided 0 by 0."""
    torch.manual_seed(0)
    model = Quaterion.build(
        encoder=Widening(trainable=True), head="skip-connection", loss="triplet",
        optimizer=optimizer,
    )  # fmt: skip
    trainer = make_trainer(precision="16-true")
    with pytest.warns(UserWarning, match="is 0 in float16, .* raised to 0.0001"):
        Quaterion.fit(model, trainer, GroupSimilarityDataLoader(groups, batch_size=8))
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())


def test_other_values_of_eps_stay(make_trainer, groups):
    for precision, eps in (("32-true", 1e-8), ("bf16-true", 1e-8), ("16-true", 1e-6)):
        model = Quaterion.build(
            encoder=Widening(trainable=True), head="skip-connection", loss="triplet",
            optimizer={"name": "adam", "eps": eps, "lr": 1e-5},
        )  # fmt: skip
        trainer = make_trainer(precision=precision)
        Quaterion.fit(model, trainer, GroupSimilarityDataLoader(groups, batch_size=8))
        assert trainer.optimizers[0].param_groups[0]["eps"] == eps
