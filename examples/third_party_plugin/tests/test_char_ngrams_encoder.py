"""What the encoder is good for, and what it refuses."""

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


def test_case_and_ways_of_writing_a_letter_do_not_count():
    encoder = CharNgramsEncoder()
    composed, decomposed = encode(encoder, "ZÜRICH", "zu\u0308rich")
    assert torch.equal(composed, decomposed)


def test_a_word_that_is_too_short_is_one_ngram():
    assert list(NgramBags(smallest=5, largest=6, rows=10).ngrams("ab")) == ["<ab>"]


def test_white_space_is_zero():
    assert not encode(CharNgramsEncoder(), " ").any()


def test_what_is_no_text_is_refused():
    with pytest.raises(TypeError, match="encodes strings, but got 7"):
        CharNgramsEncoder().get_collate_fn()([7])


@pytest.mark.parametrize(
    "arguments", [{"smallest": 0}, {"smallest": 5}, {"rows": 0}, {"embedding_size": 0}]
)
def test_sizes_that_cannot_be_are_refused(arguments):
    with pytest.raises(ValueError, match="should be"):
        CharNgramsEncoder(**arguments)
