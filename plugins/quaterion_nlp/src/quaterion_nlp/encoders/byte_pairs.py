"""Training of a byte-pair tokenizer on texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from quaterion_core.utils.faults import Faults
from quaterion_nlp.encoders.checks import check_flag, check_positive

_BYTES: Final = 256


def train_byte_pairs(
    texts: Sequence[str],
    vocab_size: int = 2000,
    min_frequency: int = 2,
    lowercase: bool = True,
) -> Tokenizer:
    """Train a byte-level byte-pair tokenizer, whose tokens never span several words.

    It can tokenize any text. The same texts result in the same tokenizer.

    Source: Sennrich et al., Neural Machine Translation of Rare Words with Subword Units, ACL 2016;
    bytes: Radford et al., Language Models are Unsupervised Multitask Learners, 2019, section 2.2.

    Args:
        texts: The training texts.
        vocab_size: Maximum number of tokens, more than the 256 bytes.
        min_frequency: Minimum number of occurrences of a pair of tokens that is merged into one.
        lowercase: Whether to convert texts to lower case.

    Raises:
        TypeError: ``lowercase`` is not a boolean.
        ValueError: There are no texts, or an argument is out of range.
    """
    check_byte_pairs(vocab_size, min_frequency, lowercase)
    if not texts:
        raise ValueError(
            "Expected training texts for the vocabulary of StaticEncoder, got none. Pass texts, or "
            "a pretrained tokenizer or model."
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


def check_byte_pairs(
    vocab_size: int = 2000, min_frequency: int = 2, lowercase: bool = True
) -> None:
    """Check the arguments of :func:`train_byte_pairs`, and report all faults at once."""
    faults = Faults()
    with faults.collected():
        check_positive("vocab_size", vocab_size)
        if vocab_size <= _BYTES:
            raise ValueError(
                f"Expected vocab_size to be more than {_BYTES}, since all bytes are tokens, got "
                f"{vocab_size}."
            )
    with faults.collected():
        check_positive("min_frequency", min_frequency)
    with faults.collected():
        check_flag("lowercase", lowercase)
    faults.raise_all()
