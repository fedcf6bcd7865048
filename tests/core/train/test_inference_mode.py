import pytest
import torch

from quaterion_core import Quaterion
from quaterion_core.dataset import GroupSimilarityDataLoader, SimilarityGroupSample
from quaterion_core.encoders import Encoder
from quaterion_core.train.cache import CacheConfig


class InInferenceMode(Encoder):
    """Passes on vectors, as inference tensors."""

    trainable, embedding_size = False, 6

    @torch.inference_mode()
    def forward(self, batch):
        return batch * 1.0


class Trained(InInferenceMode):
    trainable = True

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(6, 6)


def of_tensors(groups):
    return [SimilarityGroupSample(torch.tensor(sample.obj), sample.group) for sample in groups]


@pytest.mark.parametrize("cache", [None, CacheConfig(batch_size=5)], ids=["live", "cached"])
def test_a_frozen_encoder_may_run_in_inference_mode(groups, make_trainer, cache):
    torch.manual_seed(0)
    model = Quaterion.build(encoder=InInferenceMode(), head="gated", loss="triplet", cache=cache)
    before = model.model.head.gates.clone()
    loader = GroupSimilarityDataLoader(of_tensors(groups), batch_size=16)
    Quaterion.fit(model, make_trainer(), loader, loader)
    assert not torch.equal(model.model.head.gates, before)


def test_a_trainable_encoder_in_inference_mode_is_refused(groups, make_trainer):
    model = Quaterion.build(encoder=Trained(), loss="triplet")
    loader = GroupSimilarityDataLoader(of_tensors(groups), batch_size=16)
    with pytest.raises(ValueError, match="'default' .Trained. is trainable, but .*inference_mode"):
        Quaterion.fit(model, make_trainer(), loader)
