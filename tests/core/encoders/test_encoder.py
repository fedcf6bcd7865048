import numpy as np
import torch
from torch.utils.data import default_collate

from quaterion_core import SimilarityModel
from quaterion_core.encoders import Encoder, SwitchEncoder
from quaterion_core.encoders.encoder import meta_extractors
from quaterion_core.heads import EmptyHead


class Tensors(Encoder):
    """Passes on vectors, and has no collate function of its own."""

    trainable, embedding_size = False, 6

    def forward(self, batch):
        return batch


class InInferenceMode(Tensors):
    @torch.inference_mode()
    def forward(self, batch):
        return batch * 1.0


def test_the_default_collate_function_is_that_of_pytorch():
    assert Tensors().get_collate_fn() is default_collate
    objects = [torch.arange(6.0), torch.ones(6)]
    model = SimilarityModel(Tensors(), EmptyHead(6))
    np.testing.assert_array_equal(model.encode(objects), torch.stack(objects).numpy())


def test_a_frozen_option_may_run_in_inference_mode():
    class Switch(SwitchEncoder):
        @classmethod
        def encoder_selection(cls, record):
            return "a" if record[0] >= 0 else "b"

    model = SimilarityModel(Switch({"a": InInferenceMode(), "b": Tensors()}), EmptyHead(6))
    vectors = [torch.arange(6.0) - 3 * sign for sign in (0.0, 1.0, 2.0)]
    embeddings = model(model.get_collate_fn()(vectors))
    weight = torch.ones(6, requires_grad=True)
    (embeddings * weight).sum().backward()
    torch.testing.assert_close(weight.grad, torch.stack(vectors).sum(0))


def test_an_encoder_tells_whether_it_reads_meta():
    class OfTheClass(Tensors):
        @classmethod
        def extract_meta(cls, batch):
            return [{"n": 1} for _ in batch]

    class Static(Tensors):
        @staticmethod
        def extract_meta(batch):
            return [{"n": 1} for _ in batch]

    class OfTheObject(Tensors):
        def get_meta_extractor(self):
            return len

    class Inheriting(OfTheClass):
        pass

    assert not Tensors().reads_meta
    for cls in (OfTheClass, Static, OfTheObject, Inheriting):
        assert cls().reads_meta
    model = SimilarityModel({"a": Tensors(), "b": Static()}, EmptyHead(12))
    assert list(meta_extractors(model.encoders)) == ["b"]
