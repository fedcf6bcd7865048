"""The check that a text encoder was given texts."""

from __future__ import annotations

from collections.abc import Iterable


def check_texts(objects: Iterable[object], encoder: str) -> None:
    """Refuse objects that are not strings.

    Args:
        objects: What is to be encoded.
        encoder: The name of the encoder, for the error.

    Raises:
        TypeError: An object is not a string.

    Example:
        >>> check_texts(["a text", {"title": "a text"}], "StaticEncoder")
        Traceback (most recent call last):
        TypeError: StaticEncoder encodes strings, but object 1 is a dict: {'title': 'a text'}. Give
            the text itself, such as the field of the record that holds it.
    """
    for index, value in enumerate(objects):
        if not isinstance(value, str):
            raise TypeError(
                f"{encoder} encodes strings, but object {index} is a {type(value).__name__}: "
                f"{value!r:.60}. Give the text itself, such as the field of the record that holds "
                "it."
            )
