import pytest
import torch

from quaterion_core import Quaterion
from quaterion_core.dataset import GroupSimilarityDataLoader
from quaterion_core.heads import GatedHead, WideningHead
from quaterion_core.loss import ArcFaceLoss, TripletLoss
from quaterion_core.plugins import MissingComponentError
from quaterion_core.train.cache import CacheConfig


def test_names_become_parts_with_sizes_filled_in(vector_encoder, groups):
    model = Quaterion.build(
        encoder=vector_encoder(6, 5),
        head={"name": "widening", "expansion_factor": 2.0},
        loss={"name": "quaterion-core/arcface", "margin": 0.25},
        metrics=["retrieval-r-precision"],
        optimizer={"name": "sgd", "lr": 0.5},
        data=groups,
    )
    assert isinstance(model.model.head, WideningHead)
    assert isinstance(model.loss, ArcFaceLoss)
    assert model.loss.get_config_dict()["num_groups"] == 4
    assert model.loss.get_config_dict()["embedding_size"] == 5
    assert [metric.name for metric in model.metrics] == ["retrieval_r_precision"]
    assert model.attached_metrics is model.metrics
    optimizer = model.configure_optimizers()
    assert isinstance(optimizer, torch.optim.SGD)
    assert optimizer.param_groups[0]["lr"] == 0.5


def test_an_assembled_model_trains(vector_encoder, groups, make_trainer):
    torch.manual_seed(0)
    model = Quaterion.build(encoder=vector_encoder(6, 5), head="gated", loss="triplet", data=groups)
    before = model.model.head.gates.clone()
    Quaterion.fit(model, make_trainer(), GroupSimilarityDataLoader(groups, batch_size=16))
    assert not torch.equal(model.model.head.gates, before)


def test_a_cache_is_taken_over(vector_encoder):
    cache = CacheConfig(batch_size=7)
    model = Quaterion.build(encoder=vector_encoder(6, 5, False), loss="triplet", cache=cache)
    assert model.configure_caches() is cache
    assert Quaterion.trainer_defaults(model)["enable_checkpointing"] is False


def test_parts_that_are_built_are_taken_as_they_are(vector_encoder):
    encoders = {"x": vector_encoder(6, 2), "y": vector_encoder(6, 3)}
    head, loss = GatedHead(5), TripletLoss()
    model = Quaterion.build(encoders=encoders, head=head, loss=loss)
    assert model.model.encoders == encoders
    assert model.model.head is head
    assert model.loss is loss


def test_the_loss_is_part_of_the_default_optimizer(vector_encoder):
    loss = ArcFaceLoss(5, 4)
    model = Quaterion.build(encoder=vector_encoder(6, 5), loss=loss)
    held = {id(p) for group in model.configure_optimizers().param_groups for p in group["params"]}
    assert {id(parameter) for parameter in loss.parameters()} <= held


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"loss": "tripplet"}, MissingComponentError, "triplet"),
        ({"loss": {"name": "triplet", "margn": 1}}, TypeError, "'margn': did you mean 'margin'"),
        (
            {"head": {"name": "softmax-embeddings"}},
            TypeError,
            "needs 'output_groups', 'output_size",
        ),
        ({"loss": {"margin": 1}}, TypeError, "Expected the name of a loss"),
        ({"loss": "arcface"}, TypeError, "needs num_groups"),
        (
            {"optimizer": "adamm"},
            ValueError,
            "no optimizer 'adamm': did you mean 'adam'\\? Choose one of: adagrad, adam",
        ),
        ({"optimizer": {"name": "sgd", "betas": 1}}, TypeError, "'sgd' has no argument 'betas'"),
        ({"metrics": ["retrieval-precision"] * 2}, ValueError, "Two metrics are named"),
        ({"encoders": {}}, TypeError, "either one encoder"),
        ({"head": GatedHead(7)}, ValueError, "size 7, but the encoders give 5"),
    ],
)
def test_a_wrong_part_is_named(vector_encoder, change, error, message):
    arguments = {"encoder": vector_encoder(6, 5), "loss": "triplet", **change}
    with pytest.raises(error, match=message):
        Quaterion.build(**arguments)


def test_a_wrong_optimizer_is_named_before_an_encoder_is_built(monkeypatch):
    monkeypatch.setattr(
        "quaterion_core.train.assembly.build_component", lambda *_, **__: pytest.fail("built")
    )
    with pytest.raises(ValueError, match="no optimizer 'adamm'"):
        Quaterion.build(encoder="static", loss="triplet", optimizer="adamm")
