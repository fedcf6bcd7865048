import pytest
from torch.utils.data import Dataset

from quaterion_core import Quaterion
from quaterion_core.dataset import SimilarityGroupSample
from quaterion_core.encoders import Encoder
from quaterion_core.plugins import registry


class Tensors(Encoder):
    """Passes on vectors."""

    trainable, embedding_size = False, 6

    def forward(self, batch):
        return batch


class Endless(Dataset):
    """A map-style dataset that has a length and never raises an IndexError."""

    def __init__(self, size=4):
        self.size = size
        self.read = []

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        assert index < self.size, "was read beyond its length"
        self.read.append(index)
        return SimilarityGroupSample([float(index)] * 6, index % 2)


class Learning(Tensors):
    """Learns from the first two training objects."""

    @classmethod
    def from_data(cls, objects, *, number=2):
        encoder = cls()
        encoder.seen = [obj for obj, _ in zip(objects, range(number), strict=False)]
        return encoder


def test_a_map_style_dataset_is_read_up_to_its_length_and_only_as_needed():
    data = Endless()
    Quaterion.build(encoder=Tensors(), loss="triplet", data=data)
    assert data.read == []
    built = Quaterion.build(encoder=Tensors(), loss={"name": "arcface", "scale": 8.0}, data=data)
    assert built.loss.get_config_dict()["num_groups"] == 2
    assert max(data.read) == 3


@pytest.mark.parametrize("wrap", [lambda data: data, lambda data: (data[n] for n in range(4))])
def test_an_encoder_reads_no_more_objects_than_it_takes(wrap):
    data = Endless()
    with registry.given({"local/learning": Learning}):
        model = Quaterion.build(
            encoders={"a": "local/learning", "b": "local/learning"}, loss="triplet", data=wrap(data)
        )
    for encoder in model.model.encoders.values():
        assert encoder.seen == [[0.0] * 6, [1.0] * 6]
    assert len(data.read) <= 6
