import pytest

from quaterion_core.plugins import ComponentKind, is_id, is_name
from quaterion_core.plugins.records import is_target, normalize


@pytest.mark.parametrize("name", ["triplet", "multiple-negatives-ranking", "bm25", "2d"])
def test_words_joined_by_hyphens_are_a_name(name):
    assert is_name(name)


@pytest.mark.parametrize(
    "name", ["", "Triplet", "a_b", "a--b", "-a", "a-", "a b", "a\n", "é", "a/b", "..", "a.b"]
)
def test_anything_else_is_no_name(name):
    assert not is_name(name)


@pytest.mark.parametrize("text", ["a", "a/b/c", "/a", "a/", "../a", "a/B", "a/b\n", "a:b"])
def test_an_id_is_two_names_and_a_slash(text):
    assert is_id("quaterion-core/triplet")
    assert not is_id(text)


@pytest.mark.parametrize("target", ["a:B", "a.b.c:Outer.Inner", "_a:_B"])
def test_a_target_is_a_module_and_a_class(target):
    assert is_target(target)


@pytest.mark.parametrize(
    "target", ["a", "a.B", ".a:B", "a:", ":B", "a b:C", "a:B:C", "a:B()", "a-b:C"]
)
def test_anything_else_is_no_target(target):
    assert not is_target(target)


@pytest.mark.parametrize(
    "name", ["Quaterion_NLP", "quaterion.nlp", "quaterion--nlp", "QUATERION-nlp"]
)
def test_names_of_distributions_are_normalised(name):
    assert normalize(name) == "quaterion-nlp"


def test_an_unknown_kind_names_the_kinds():
    with pytest.raises(
        ValueError,
        match=r"'losses' is no kind .* encoder, head, loss, metric, dataset, optimizer, schedule",
    ):
        ComponentKind("losses")
