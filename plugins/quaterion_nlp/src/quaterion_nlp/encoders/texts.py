"""Checks of what a text encoder is given, and what is said of a text that cannot be tokenized."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from quaterion_core.storage import is_panic
from quaterion_core.utils.objects import about_object


def check_texts(objects: Iterable[object], encoder: str) -> None:
    """Refuse objects that are not strings, and strings that are not Unicode text.

    Args:
        objects: What is to be encoded.
        encoder: The name of the encoder, for the error.

    Raises:
        TypeError: An object is not a string.
        ValueError: A string contains a lone surrogate, which no tokenizer can read.

    Example:
        >>> check_texts(["a text", {"title": "a text"}], "StaticEncoder")
        Traceback (most recent call last):
        TypeError: StaticEncoder encodes strings, but object 1 is a dict: {'title': 'a text'}. Give
            the text itself, such as the field of the record that holds it.
    """
    for index, value in enumerate(objects):
        if not isinstance(value, str):
            raise about_object(
                TypeError(
                    f"{encoder} encodes strings, but object {index} is a {type(value).__name__}: "
                    f"{value!r:.60}. {_way_out(value)}"
                ),
                index,
            )
        if value.isascii():
            continue
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise about_object(
                ValueError(
                    f"{encoder} encodes Unicode text, but object {index} contains a lone "
                    f"surrogate, U+{ord(value[error.start]):04X}, at character {error.start}: "
                    f"{value!r:.60}. It comes from a text that was cut or decoded wrongly. Read "
                    "the source again, or replace it: "
                    "text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')."
                ),
                index,
            ) from None


@contextmanager
def tokenizing(encoder: str) -> Iterator[None]:
    """Convert failures and panics of the library ``tokenizers`` into an error that can be caught.

    A panic derives from ``BaseException``, so that it would end the worker of a server.

    Args:
        encoder: The name of the encoder, for the error.

    Raises:
        ValueError: The tokenizer failed.
    """
    try:
        yield
    except BaseException as error:
        if type(error) is not Exception and not is_panic(error):
            raise
        raise ValueError(
            f"The tokenizer of {encoder} cannot tokenize a text: {error}. It is damaged, or has no "
            "token for unknown words. Build the encoder with another tokenizer."
        ) from error


def _way_out(value: object) -> str:
    if value is None:
        return "Leave out records without a text, or give '' for an empty one."
    if isinstance(value, (bytes, bytearray)):
        return "Decode it: value.decode('utf-8')."
    if isinstance(value, float) and value != value:
        return "NaN is how pandas marks a missing text: drop such rows, or give ''."
    return "Give the text itself, such as the field of the record that holds it."
