"""Tests of the embeddings and the errors of CharNgramsEncoder."""

import pytest
import torch

from quaterion_char_ngrams.char_ngrams_encoder import CharNgramsEncoder, NgramBags


def encode(encoder, *texts):
    return encoder(encoder.get_collate_fn()(list(texts)))


def test_a_text_is_the_mean_of_its_ngrams():
    encoder = CharNgramsEncoder(smallest=3, largest=3, embedding_size=4)
    rows = [encoder.bags([ngram])["rows"] for ngram in ("x",)]  # <x> is one n-gram
    torch.testing.assert_close(encode(encoder, "x")[0], encoder.table.weight[rows[0][0]])
    both = encode(encoder, "x y")[0]
    torch.testing.assert_close(both, encode(encoder, "x", "y").mean(dim=0))


def test_case_and_unicode_form_are_ignored():
    encoder = CharNgramsEncoder()
    composed, decomposed = encode(encoder, "ZÜRICH", "zu\u0308rich")
    assert torch.equal(composed, decomposed)


def test_a_short_word_is_a_single_ngram():
    assert list(NgramBags(smallest=5, largest=6, rows=10).ngrams("ab")) == ["<ab>"]


def test_the_embedding_of_white_space_is_zero():
    assert not encode(CharNgramsEncoder(), " ").any()


def test_only_strings_are_accepted():
    with pytest.raises(TypeError, match="Expected strings, got 7"):
        CharNgramsEncoder().get_collate_fn()([7])


@pytest.mark.parametrize(
    "arguments", [{"smallest": 0}, {"smallest": 5}, {"rows": 0}, {"embedding_size": 0}]
)
def test_invalid_sizes_are_errors(arguments):
    with pytest.raises(ValueError, match=r"^Expected .*, got "):
        CharNgramsEncoder(**arguments)
