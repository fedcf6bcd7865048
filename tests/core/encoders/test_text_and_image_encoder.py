from pathlib import Path

import pytest
import torch

from quaterion_core import Quaterion
from quaterion_core.components import component_class
from quaterion_core.encoders import Encoder, TextAndImageEncoder
from quaterion_core.plugins import registry


class Texts(Encoder):
    """Embeds every text as one row, created when the number of training texts is known."""

    def __init__(self, size=2, texts=0):
        super().__init__()
        self.size = size
        self.texts = texts
        self.row = torch.nn.Parameter(torch.ones(size))

    @classmethod
    def from_data(cls, objects, *, size=2):
        return cls(size, texts=len([len(text) for text in objects]))

    @property
    def trainable(self):
        return True

    @property
    def embedding_size(self):
        return self.size

    def get_collate_fn(self):
        return lambda texts: torch.tensor([[float(len(text))] for text in texts])

    def forward(self, batch):
        return batch * self.row

    def get_config_dict(self):
        return {"size": self.size, "texts": self.texts}


class Images(Texts):
    @classmethod
    def from_data(cls, objects, *, size=2):
        assert not any(isinstance(obj, str) for obj in objects)
        return cls(size, texts=-1)

    def get_collate_fn(self):
        return lambda images: torch.full((len(images), 1), -1.0)


GIVEN = {"local/texts": Texts, "local/images": Images}
CHOICE = {"name": "text-and-image", "text": "local/texts", "image": {"name": "local/images"}}
OBJECTS = ["four", Path("4.png"), torch.zeros(1, 2, 2), "a"]


def embed(encoder, objects=OBJECTS):
    return encoder(encoder.get_collate_fn()(objects))


def test_texts_go_to_one_encoder_and_all_else_to_the_other():
    encoder = TextAndImageEncoder({"image": Images(), "text": Texts()})

    assert embed(encoder)[:, 0].tolist() == [4.0, -1.0, -1.0, 1.0]
    assert [facts["encoder"] for facts in encoder.extract_meta(OBJECTS)] == [
        "text", "image", "image", "text",
    ]  # fmt: skip


@pytest.mark.parametrize("options", [{}, {"text": Texts()}, {"texts": Texts(), "image": Images()}])
def test_other_options_are_refused(options):
    with pytest.raises(ValueError, match="options 'text' and 'image' of TextAndImageEncoder"):
        TextAndImageEncoder(options)


def test_it_is_built_by_name_and_each_encoder_learns_from_its_own_objects():
    from quaterion_core.dataset import SimilarityPairSample

    samples = [SimilarityPairSample("one", Path("1.png")), SimilarityPairSample("two", Path("2"))]
    with registry.given(GIVEN):
        model = Quaterion.build(encoder=CHOICE, loss="multiple-negatives-ranking", data=samples)

    (encoder,) = model.model.encoders.values()
    assert type(encoder) is TextAndImageEncoder
    assert encoder.options["text"].texts == 2


def test_encoders_that_are_built_already_are_taken_as_they_are():
    text = Texts()
    encoder = TextAndImageEncoder.from_data([], text=text, image=Images())

    assert encoder.options["text"] is text


def test_a_misspelt_argument_of_an_option_is_found_before_anything_is_built():
    with (
        registry.given(GIVEN),
        pytest.raises(TypeError, match="'local/texts' has no argument 'sizes'"),
    ):
        component_class("encoder", {**CHOICE, "text": {"name": "local/texts", "sizes": 3}})


def test_a_missing_option_is_named():
    with registry.given(GIVEN), pytest.raises(TypeError, match="needs 'image'"):
        Quaterion.build(encoder={"name": "text-and-image", "text": "local/texts"}, loss="triplet")


def test_a_saved_encoder_gives_the_same(tmp_path):
    encoder = TextAndImageEncoder({"text": Texts(), "image": Images()})
    torch.nn.init.normal_(encoder.options["text"].row)
    encoder.save(tmp_path)

    with registry.given(GIVEN):
        restored = TextAndImageEncoder.load(tmp_path)

    assert torch.equal(embed(restored), embed(encoder))
