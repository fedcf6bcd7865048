"""All kinds of component follow from one table."""

import re

import pytest
import pytorch_lightning as pl
import torch

from quaterion_core import Quaterion, plugins
from quaterion_core.dataset import (
    GroupSimilarityDataLoader,
    SimilarityGroupSample,
    build_batch_sampler,
)
from quaterion_core.encoders import Encoder
from quaterion_core.plugins import ComponentKind, QuaterionHooks, registry
from quaterion_core.plugins.class_paths import import_target
from quaterion_core.plugins.hooks import HOOKS
from quaterion_core.testing import CHECKS
from quaterion_core.train.optimizers import choose_optimizer
from quaterion_core.train.schedules import build_schedule

SOURCE = '''
    import torch
    from quaterion_core.dataset import BatchSampler
    from quaterion_core.train.schedules import Decay


    class SlowAdam(torch.optim.Adam):
        """Adam."""

        def __init__(self, params, lr: float = 0.01, slowness: int = 2):
            super().__init__(params, lr=lr / slowness)


    class Steps(Decay):
        """Steps."""

        def __init__(self, factor_of_step: float = 0.1):
            self.factor_of_step = factor_of_step

        def factor(self, progress):
            return self.factor_of_step if progress >= 0.5 else 1.0


    class InOrder(BatchSampler):
        """In order."""

        def batches(self, facts, batch_size, generator):
            return [list(range(batch_size))]
'''


class Vectors(Encoder):
    trainable = False
    embedding_size = 2

    def get_collate_fn(self):
        return torch.tensor

    def forward(self, batch):
        return batch


@pytest.fixture
def installed(site, monkeypatch):
    """A plugin with an optimizer, a schedule and a batch sampler, which the registry finds."""
    site.install(
        "acme-training",
        files={"acme_training/parts.py": SOURCE}.items(),
        optimizers={"slow-adam": "acme_training.parts:SlowAdam"},
        schedules={"steps": "acme_training.parts:Steps"},
        batch_samplers={"in-order": "acme_training.parts:InOrder"},
    )
    found = site.registry()
    for name in ("find", "load", "components", "plugins"):
        monkeypatch.setattr(
            plugins.Registry, name, _redirected(getattr(plugins.Registry, name), found)
        )


def _redirected(method, found):
    return lambda self, *args, **kwargs: method(found, *args, **kwargs)


@pytest.mark.parametrize("kind", ComponentKind)
def test_every_kind_has_a_hook_a_decorator_a_base_and_checks(kind):
    assert kind.hook in HOOKS
    assert hasattr(QuaterionHooks, kind.hook)
    assert (kind.decorator in plugins.__all__) == kind.is_class
    assert isinstance(import_target(kind.base), type)
    assert CHECKS[kind]
    assert registry.components(kind)


@pytest.mark.parametrize("kind", [kind for kind in ComponentKind if kind.is_class])
def test_the_decorator_of_a_kind_registers_as_that_kind(kind, monkeypatch):
    registry = plugins.Registry([])
    monkeypatch.setattr("quaterion_core.plugins.registration.registry", registry)
    name = f"made-here-{kind.value}"
    cls = getattr(plugins, kind.decorator)(name)(type("MadeHere", (), {}))
    assert registry.load(kind, f"local/{name}") is cls


def test_a_recipe_is_trained_with_a_plugins_optimizer_schedule_and_batch_sampler(
    installed, tmp_path
):
    model = Quaterion.build(
        encoder=Vectors(),
        head="gated",
        loss="triplet",
        optimizer={"name": "slow-adam", "lr": 0.5, "slowness": 4},
        schedule={"name": "acme-training/steps", "factor_of_step": 0.25, "warm_up": 0.0},
    )
    trainer = pl.Trainer(
        max_epochs=2, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, default_root_dir=tmp_path,
    )  # fmt: skip
    groups = [SimilarityGroupSample([float(n), 1.0], n % 4) for n in range(32)]
    Quaterion.fit(
        model, trainer, GroupSimilarityDataLoader(groups, batch_size=8), batch_sampler="in-order"
    )
    assert trainer.global_step == 2  # one batch in each epoch
    (group,) = trainer.optimizers[0].param_groups
    assert group["initial_lr"] == 0.5 / 4
    assert group["lr"] == 0.25 * 0.5 / 4


@pytest.mark.parametrize(
    ("choose", "choice", "message"),
    [
        (choose_optimizer, "slow-adm", "no optimizer 'slow-adm': did you mean 'slow-adam'?"),
        (choose_optimizer, {"name": "slow-adam", "slownes": 1}, "did you mean 'slowness'?"),
        (choose_optimizer, {"name": "slow-adam", "slowness": "big"}, "Expected an integer, got"),
        (choose_optimizer, {"name": "slow-adam", "slowness": 0}, "division by zero"),
        (build_schedule, "step", "no schedule 'step': did you mean 'steps'?"),
        (build_schedule, {"name": "steps", "factor_of_step": "x"}, "Expected a number, got 'x'"),
        (build_schedule, {"name": "steps", "warmup": 0.1}, "did you mean 'warm_up'?"),
        (build_batch_sampler, "in-ordr", "no batch sampler 'in-ordr': did you mean 'in-order'?"),
        (build_batch_sampler, "acme-training/in-ordr", "did you mean 'acme-training/in-order'?"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_mistakes_are_answered_as_for_any_other_component(installed, choose, choice, message):
    with pytest.raises(
        (ValueError, TypeError, plugins.MissingComponentError), match=re.escape(message)
    ):
        choose(choice)
