import pytest

from quaterion_core.heads import EncoderHead, GatedHead, SequentialHead
from quaterion_core.plugins import MissingComponentError, registry
from quaterion_core.storage import NotSavableError
from quaterion_core.utils.child_components import component_id, describe, rebuild


class MLPHead(EncoderHead):
    @property
    def output_size(self):
        return self.input_embedding_size

    def transform(self, input_vectors):
        return input_vectors


def test_registered_component_is_described_by_its_id():
    assert describe("head", GatedHead(3, dropout=0.5)) == {
        "component": "quaterion-core/gated",
        "config": {"input_embedding_size": 3, "dropout": 0.5},
    }


def test_described_component_is_built_again():
    rebuilt = rebuild("head", describe("head", GatedHead(3, dropout=0.5)))
    assert type(rebuilt) is GatedHead
    assert (rebuilt.input_embedding_size, rebuilt.dropout_prob) == (3, 0.5)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("MyHead", "local/my-head"),
        ("MLPHead", "local/mlp-head"),
        ("BERTEncoderV2", "local/bert-encoder-v2"),
        ("_Private_Name", "local/private-name"),
    ],
)
def test_id_of_a_class_that_nobody_registered_is_made_of_its_name(name, expected):
    assert component_id("head", type(name, (), {})) == expected


def test_class_of_whose_name_no_id_can_be_made_has_to_be_registered():
    with pytest.raises(NotSavableError, match="@register_head"):
        component_id("head", type("Глава", (), {}))


def test_class_that_nobody_registered_has_to_be_given():
    description = describe("head", MLPHead(3))
    with pytest.raises(MissingComponentError, match="local/mlp-head"):
        rebuild("head", description)
    with registry.given({"local/mlp-head": MLPHead}):
        assert type(rebuild("head", description)) is MLPHead


def test_given_class_is_found_at_any_depth():
    head = SequentialHead(SequentialHead(MLPHead(2), output_size=2), output_size=2)
    with registry.given({"local/mlp-head": MLPHead}):
        rebuilt = rebuild("head", describe("head", head))
    assert type(rebuilt[0][0]) is MLPHead


def test_component_of_another_kind_is_not_built():
    with pytest.raises(MissingComponentError, match="is a loss"):
        rebuild("head", {"component": "quaterion-core/triplet", "config": {}})


@pytest.mark.parametrize(
    "description",
    [{}, {"component": "gated", "config": {}}, {"component": "quaterion-core/gated"}],
)
def test_malformed_description_is_refused(description):
    with pytest.raises(ValueError, match="Expected a description of a component"):
        rebuild("head", description)
