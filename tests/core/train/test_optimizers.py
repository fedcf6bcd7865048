import pytest
import torch
from torch import nn

from quaterion_core import Quaterion
from quaterion_core.dataset import GroupSimilarityDataLoader
from quaterion_core.train.optimizers import OptimizerChoice, choose_optimizer


def by_parameter(optimizer, name):
    return {
        id(parameter): group[name]
        for group in optimizer.param_groups
        for parameter in group["params"]
    }


def test_parts_have_arguments_of_their_own_and_the_rest_those_of_all(vector_encoder):
    model = Quaterion.build(
        encoders={
            "slow": vector_encoder(6, 5, trainable=True),
            "other": vector_encoder(6, 5, trainable=True),
        },
        head="gated",
        loss={"name": "arcface", "num_groups": 4},
        optimizer={
            "name": "adamw",
            "lr": 0.1,
            "weight_decay": 0.3,
            "parts": {"encoders.slow": {"lr": 0.001}, "loss": {"lr": 1.0, "weight_decay": 0.0}},
        },
    )
    optimizer = model.configure_optimizers()
    rates, decays = by_parameter(optimizer, "lr"), by_parameter(optimizer, "weight_decay")
    encoders = model.model.encoders
    expected = {
        encoders["slow"]: (0.001, 0.3),
        encoders["other"]: (0.1, 0.3),
        model.model.head: (0.1, 0.3),
        model.loss: (1.0, 0.0),
    }
    for module, (rate, decay) in expected.items():
        parameters = [p for p in module.parameters() if p.requires_grad]
        assert parameters
        for parameter in parameters:
            assert (rates[id(parameter)], decays[id(parameter)]) == (rate, decay)
    held = [p for group in optimizer.param_groups for p in group["params"]]
    assert len(held) == len(rates) == len(model.trainable_parameters())


def test_a_part_without_a_rate_stays_where_it_is(vector_encoder, make_trainer, groups):
    model = Quaterion.build(
        encoder=vector_encoder(6, 5, trainable=True),
        head="gated",
        loss="triplet",
        optimizer={"name": "sgd", "lr": 0.1, "parts": {"head": {"lr": 0.0}}},
        schedule="linear",
    )
    before = {name: value.clone() for name, value in model.model.state_dict().items()}
    Quaterion.fit(
        model, make_trainer(max_epochs=1), GroupSimilarityDataLoader(groups, batch_size=8)
    )
    changed = {
        name
        for name, value in model.model.state_dict().items()
        if not torch.equal(value, before[name])
    }
    assert changed
    assert not {name for name in changed if name.startswith("head")}


def test_a_parameter_of_two_parts_belongs_to_one():
    shared = nn.Linear(2, 2)
    choice = OptimizerChoice("sgd", {"lr": 0.1}, {"head": {"lr": 1.0}})
    optimizer = choice.build({"encoder": shared, "head": shared})
    assert [group["lr"] for group in optimizer.param_groups] == [1.0]


@pytest.mark.parametrize(
    ("parts", "error", "message"),
    [
        ({"haed": {"lr": 1}}, ValueError, "'haed': did you mean 'head'.*encoder, head, loss"),
        ({"encoder": {"lr": 1}}, ValueError, "'encoder', which has no trainable parameters"),
        ({"head": {"learning_rate": 1}}, TypeError, "parts.head.learning_rate: .*no argument"),
        ({"head": {"lr": -1}}, ValueError, "parts.head: Invalid learning rate: -1"),
        ({"head": 0.1}, TypeError, "mapping from parts of the model.*got {'head': 0.1}"),
        (["head"], TypeError, "mapping from parts of the model"),
    ],
)
def test_wrong_parts_are_named_before_the_training(vector_encoder, parts, error, message):
    with pytest.raises(error, match=message):
        Quaterion.build(
            encoder=vector_encoder(6, 5, trainable=False),
            head="gated",
            loss="triplet",
            optimizer={"name": "sgd", "parts": parts},
        )


def test_a_choice_is_not_changed():
    choice = {"name": "sgd", "parts": {"head": {"lr": 1.0}}}
    choose_optimizer(choice)
    assert choice == {"name": "sgd", "parts": {"head": {"lr": 1.0}}}
