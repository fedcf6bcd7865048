import pytest
import torch
from torch import nn

from quaterion_core.heads import (
    EmptyHead,
    EncoderHead,
    GatedHead,
    LinearProjectionHead,
    SequentialHead,
    SwitchHead,
)


class Scaling(EncoderHead):
    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor
        self.seen = []

    @property
    def output_size(self):
        return self.input_embedding_size

    def forward(self, input_vectors, meta=None):
        self.seen.append(meta)
        return super().forward(input_vectors, meta)

    def transform(self, input_vectors):
        return self.factor * input_vectors


def switch(**arguments) -> SwitchHead:
    options = {
        "image": Scaling(10.0, input_embedding_size=1),
        "text": Scaling(-1.0, input_embedding_size=1),
    }
    return SwitchHead(options, input_embedding_size=1, **arguments)


def meta(*keys: str) -> list[dict[str, str]]:
    return [{"encoder": key} for key in keys]


def test_each_row_goes_to_its_head_and_comes_back_in_order():
    vectors = torch.tensor([[1.0], [2.0], [3.0], [4.0]])
    output = switch()(vectors, meta("text", "image", "image", "text"))
    assert output.tolist() == [[-1.0], [20.0], [30.0], [-4.0]]


def test_option_without_rows_is_left_out():
    head = switch()
    assert head(torch.ones(2, 1), meta("image", "image")).tolist() == [[10.0], [10.0]]
    assert head.options["text"].seen == []


def test_option_gets_the_meta_of_its_rows():
    head = switch()
    facts = [{"encoder": "text", "id": 0}, {"encoder": "image", "id": 1}, {"encoder": "text"}]
    head(torch.ones(3, 1), facts)
    assert head.options["text"].seen == [[facts[0], facts[2]]]
    assert head.options["image"].seen == [[facts[1]]]


def test_dropout_of_the_options_acts():
    head = SwitchHead({"image": EmptyHead(1000, dropout=0.5), "text": EmptyHead(1000)}, 1000)
    image, text = head(torch.ones(2, 1000), meta("image", "text"))
    assert 400 < (image == 0).sum() < 600
    assert torch.equal(text, torch.ones(1000))


def test_nested_sequential_head_acts():
    options = {"image": EmptyHead(1), "text": SequentialHead(nn.ReLU(), output_size=1)}
    output = SwitchHead(options, 1)(torch.tensor([[-1.0], [-1.0]]), meta("image", "text"))
    assert output.tolist() == [[-1.0], [0.0]]


def test_nested_sequential_head_is_loaded(tmp_path):
    options = {
        "image": LinearProjectionHead(3, 2),
        "text": SequentialHead(nn.Linear(3, 4), nn.GELU(), nn.Linear(4, 2), output_size=2),
    }
    head = SwitchHead(options, 3).eval()
    head.save(tmp_path)
    vectors, facts = torch.randn(4, 3), meta("text", "image", "text", "text")
    assert torch.equal(SwitchHead.load(tmp_path).eval()(vectors, facts), head(vectors, facts))


def test_switch_in_a_switch_is_loaded(tmp_path):
    inner = SwitchHead({"photo": GatedHead(2), "sketch": LinearProjectionHead(2, 2)}, 2)
    head = SwitchHead({"photo": inner, "sketch": GatedHead(2)}, 2)
    head.save(tmp_path)
    vectors, facts = torch.randn(3, 2), meta("photo", "sketch", "photo")
    assert torch.equal(SwitchHead.load(tmp_path)(vectors, facts), head(vectors, facts))


def test_gradient_reaches_each_row_once():
    vectors = torch.ones(3, 1, requires_grad=True)
    switch()(vectors, meta("text", "image", "text")).sum().backward()
    assert vectors.grad.tolist() == [[-1.0], [10.0], [-1.0]]


@pytest.mark.parametrize("facts", [None, [], meta("image")])
def test_meta_has_to_be_one_for_each_embedding(facts):
    with pytest.raises(ValueError, match=r"each of the 2 embeddings of SwitchHead, got (none|0|1)"):
        switch()(torch.ones(2, 1), facts)


def test_meta_without_a_key_is_refused():
    with pytest.raises(ValueError, match=r"object 1 to name an option.*got \{'size': 3\}"):
        switch()(torch.ones(2, 1), [{"encoder": "text"}, {"size": 3}])


def test_unknown_key_names_the_known_ones():
    with pytest.raises(ValueError, match=r"no option 'audio'.*object 1.*'image', 'text'"):
        switch()(torch.ones(2, 1), meta("text", "audio"))


def test_transform_without_meta_is_refused():
    with pytest.raises(ValueError, match="needs the meta"):
        switch().transform(torch.ones(2, 1))


def test_output_sizes_of_options_have_to_be_equal():
    options = {"image": LinearProjectionHead(4, 2), "text": LinearProjectionHead(4, 3)}
    with pytest.raises(ValueError, match=r"\{'image': 2, 'text': 3\}"):
        SwitchHead(options, 4)


def test_input_sizes_of_options_have_to_be_the_heads():
    with pytest.raises(ValueError, match=r"size 4.*\{'image': 4, 'text': 3\}"):
        SwitchHead({"image": GatedHead(4), "text": LinearProjectionHead(3, 4)}, 4)


def test_options_have_to_be_heads():
    with pytest.raises(TypeError, match="'text' of SwitchHead to be an EncoderHead, got a Linear"):
        SwitchHead({"image": GatedHead(4), "text": nn.Linear(4, 4)}, 4)


@pytest.mark.parametrize("key", ["", "../text", "a.b", "a/b", "keys", 3])
def test_keys_are_checked(key):
    with pytest.raises(ValueError, match="cannot have an option"):
        SwitchHead({key: GatedHead(4)}, 4)


def test_options_are_needed():
    with pytest.raises(ValueError, match="at least one option"):
        SwitchHead({}, 4)
