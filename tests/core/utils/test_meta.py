import pytest

from quaterion_core.utils.meta import merge_meta


def test_two_encoders_and_one_object():
    assert merge_meta({"image": [{"a": 1}], "text": [{"b": 2}]}) == [{"a": 1, "b": 2}]


def test_one_dictionary_for_each_object():
    meta = {"image": [{"a": 1}, {"a": 2}, {}], "text": [{"b": 3}, {}, {}]}
    assert merge_meta(meta) == [{"a": 1, "b": 3}, {"a": 2}, {}]


def test_one_encoder_keeps_its_meta():
    assert merge_meta({"default": [{"a": 1}, {"a": 2}]}) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize("meta", [{}, {"image": []}, {"image": [], "text": []}])
def test_no_objects(meta):
    assert merge_meta(meta) == []


def test_encoders_may_say_the_same():
    assert merge_meta({"image": [{"a": 1}], "text": [{"a": 1}]}) == [{"a": 1}]


def test_encoders_that_disagree_are_both_named():
    meta = {"image": [{}, {"a": 1}], "sound": [{}, {}], "text": [{}, {"a": 2}]}
    with pytest.raises(
        ValueError, match=r"'image' and 'text' disagree on 'a' of object 1: 1 and 2"
    ):
        merge_meta(meta)


def test_encoders_that_read_different_numbers_of_objects_are_named():
    with pytest.raises(ValueError, match=r"\{'image': 2, 'text': 1\}"):
        merge_meta({"image": [{}, {}], "text": [{}]})


def test_what_the_encoders_gave_is_not_changed():
    image = {"a": 1}
    merge_meta({"image": [image], "text": [{"b": 2}]})
    assert image == {"a": 1}
