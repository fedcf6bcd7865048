"""Training a tokenizer from texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

_BYTES: Final = 256


def train_byte_pairs(
    texts: Sequence[str],
    vocab_size: int = 2000,
    min_frequency: int = 2,
    lowercase: bool = True,
) -> Tokenizer:
    """Train a byte-pair encoding within words and punctuation marks, over bytes.

    No text is unknown to it. The same texts give the same tokenizer.

    Source: Sennrich et al., Neural Machine Translation of Rare Words with Subword Units, ACL 2016;
    bytes: Radford et al., Language Models are Unsupervised Multitask Learners, 2019, section 2.2.

    Args:
        texts: The training texts.
        vocab_size: The largest number of tokens, more than the 256 bytes.
        min_frequency: How often two parts have to follow one another to become a token.
        lowercase: Whether upper and lower case are the same.

    Raises:
        ValueError: There are no texts, or an argument is out of range.
    """
    check_positive("vocab_size", vocab_size)
    check_positive("min_frequency", min_frequency)
    if vocab_size <= _BYTES:
        raise ValueError(
            f"vocab_size is {vocab_size}, but the {_BYTES} bytes are tokens already: give more."
        )
    if not texts:
        raise ValueError(
            "StaticEncoder learns its vocabulary from training texts, but there are none."
        )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), *([normalizers.Lowercase()] if lowercase else [])]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.BertPreTokenizer(),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def check_positive(name: str, value: int) -> None:
    """Refuse what is not a positive integer.

    Raises:
        ValueError: It is not.
    """
    if type(value) is not int or value < 1:
        raise ValueError(f"{name} should be a positive integer, but is {value!r}.")
