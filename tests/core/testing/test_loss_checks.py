"""Each check of a loss fails a loss that has the fault which it catches, and no good one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn

from quaterion_core.loss import GroupLoss, PairwiseLoss, SimilarityLoss
from quaterion_core.testing import Status, check_loss
from quaterion_core.testing.loss_checks import LOSS_CHECKS
from quaterion_core.utils.precision import at_least_float32


@pytest.fixture(autouse=True)
def _module_can_be_imported(monkeypatch):
    # Another process imports this module by its name, seen from the root of the repository.
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3]))


class Good(GroupLoss):
    """Squared error of the cosine similarity of each two objects, with a learned bias."""

    def __init__(self, scale=1.0):
        super().__init__()
        self.scale = scale
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, embeddings, groups):
        self.check_batch(embeddings, groups)
        return self.compare(at_least_float32(embeddings), groups)

    def compare(self, embeddings, groups):
        embeddings = F.normalize(embeddings, eps=1e-6)
        errors = embeddings @ embeddings.T + self.bias - self.same(groups).to(embeddings)
        return self.scale * errors.square().mean()

    def same(self, groups):
        return groups.unsqueeze(0) == groups.unsqueeze(1)

    def get_config_dict(self):
        return {"scale": self.scale}


class GoodPairwise(PairwiseLoss):
    """Squared error of the cosine similarity of pairs."""

    def forward(self, embeddings, pairs, labels, subgroups):
        self.check_batch(embeddings, pairs, labels, subgroups)
        first, second = F.normalize(at_least_float32(embeddings), eps=1e-6)[pairs].unbind(dim=1)
        return ((first * second).sum(dim=1) - labels.to(first)).square().mean()


class NotBuilt(Good):
    def __init__(self):
        raise RuntimeError("no weights")


class OfNoKind(SimilarityLoss):
    def forward(self, embeddings, groups):
        return embeddings.square().mean()


class GivesOneNumberForEachObject(Good):
    def compare(self, embeddings, groups):
        return embeddings.square().mean(dim=1)


class DrawsAtRandom(Good):
    def compare(self, embeddings, groups):
        return super().compare(embeddings * torch.rand_like(embeddings), groups)


class ForgetsAnArgument(Good):
    def get_config_dict(self):
        return {}


class CountsByTheSide(Good):
    steps = 0

    def compare(self, embeddings, groups):
        self.steps += 1
        return super().compare(embeddings, groups) * self.steps


class ComparesFloats(Good):
    def same(self, groups):
        return super().same(groups.float())


class WeighsByPlace(Good):
    def compare(self, embeddings, groups):
        places = torch.arange(1.0, len(groups) + 1, device=embeddings.device).unsqueeze(1)
        return super().compare(embeddings, groups) + (embeddings * places).mean()


class PairsByPlace(GoodPairwise):
    def forward(self, embeddings, pairs, labels, subgroups):
        in_order = torch.arange(len(embeddings), device=pairs.device).view(2, -1).T
        return super().forward(embeddings, in_order, labels, subgroups)


class WantsTwo(Good):
    def compare(self, embeddings, groups):
        if len(groups) < 2:
            raise ValueError("there is nothing to compare with")
        return super().compare(embeddings, groups)


class DividesByLength(Good):
    def compare(self, embeddings, groups):
        return super().compare(embeddings / embeddings.norm(dim=1, keepdim=True), groups)


class ComputesInHalf(Good):
    def forward(self, embeddings, groups):
        return self.compare(embeddings, groups)


class Detaches(Good):
    def compare(self, embeddings, groups):
        return super().compare(embeddings.detach(), groups)


class HasAnUnusedParameter(Good):
    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.unused = nn.Parameter(torch.zeros(2))


class ComparesTriplets(Good):
    def compare(self, embeddings, groups):
        distances = torch.cdist(embeddings, embeddings)
        triplets = distances.unsqueeze(1) - distances.unsqueeze(2)
        return super().compare(embeddings, groups) + triplets.relu().mean()


class MakesATensorAnywhere(Good):
    def compare(self, embeddings, groups):
        return super().compare(embeddings + torch.ones(embeddings.shape[1]), groups)


class TrainsTheMemory(Good):
    def xbm_loss(self, embeddings, groups, memory_embeddings, memory_groups):
        return self(torch.cat([embeddings, memory_embeddings]), torch.cat([groups, memory_groups]))


class ForgetsTheBatch(GoodPairwise):
    def xbm_loss(self, embeddings, pairs, labels, subgroups, memory_embeddings, **memory):
        memory = {name.removeprefix("memory_"): values for name, values in memory.items()}
        return self(memory_embeddings.detach(), **memory) + 0 * embeddings.sum()


class LooksBehindTheEmbeddings(Good):
    def forward(self, embeddings, groups):
        return super().forward(embeddings, groups) * (2.0 if embeddings.is_leaf else 1.0)


class ScalesByProcesses(Good):
    def compare(self, embeddings, groups):
        processes = dist.get_world_size() if dist.is_initialized() else 1
        return super().compare(embeddings, groups) * processes


MUTANTS = {
    "construction": [NotBuilt],
    "interface": [OfNoKind],
    "scalar": [GivesOneNumberForEachObject],
    "determinism": [DrawsAtRandom],
    "config_round_trip": [lambda: ForgetsAnArgument(scale=2.0)],
    "state_round_trip": [CountsByTheSide],
    "ids": [ComparesFloats],
    "order_invariance": [WeighsByPlace, PairsByPlace],
    "batch_of_one": [WantsTwo],
    "degenerate": [DividesByLength],
    "precision": [ComputesInHalf],
    "gradients": [Detaches, HasAnUnusedParameter],
    "memory": [ComparesTriplets],
    "device": [MakesATensorAnywhere],
    "cross_batch_memory": [TrainsTheMemory, ForgetsTheBatch],
    "gradient_caching": [LooksBehindTheEmbeddings],
    "two_processes": [ScalesByProcesses],
}


@pytest.mark.parametrize(("loss", "ran"), [(Good, 17), (GoodPairwise, 17)])
def test_a_good_loss_passes_all_checks(loss, ran):
    report = check_loss(loss)
    report.raise_for_failures()
    assert report.ran == ran
    assert len(LOSS_CHECKS) == 17


def test_each_check_has_a_mutant():
    assert list(MUTANTS) == list(LOSS_CHECKS)


@pytest.mark.parametrize(
    ("name", "mutant"), [(name, mutant) for name, several in MUTANTS.items() for mutant in several]
)
def test_a_check_fails_what_it_catches(name, mutant):
    result = check_loss(mutant)[name]
    assert result.status is Status.FAILED, result
    assert result.message
    assert result.way_out == LOSS_CHECKS[name].way_out


def test_a_loss_of_a_script_is_not_sent_to_another_process(monkeypatch):
    monkeypatch.setattr(GoodPairwise, "__module__", "__main__")
    result = check_loss(GoodPairwise)["two_processes"]
    assert result.status is Status.NOT_APPLICABLE
    assert "define it in a module" in result.message


class GoodWithGuide(GoodPairwise):
    """Squared error against the similarity that a guide sees."""

    def forward(self, embeddings, pairs, labels, subgroups, guide):
        first, second = F.normalize(guide, eps=1e-6)[pairs].unbind(dim=1)
        return super().forward(embeddings, pairs, (first * second).sum(dim=1), subgroups)


def test_a_loss_gets_the_other_targets_that_it_takes():
    check_loss(GoodWithGuide, object_targets={"guide": 3}).raise_for_failures()
    assert "guide" in check_loss(GoodWithGuide)["scalar"].message
