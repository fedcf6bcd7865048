"""Merging of the meta that several encoders extract from the same objects."""

from __future__ import annotations

from typing import Any

from quaterion_core.utils.objects import about_object


def merge_meta(meta: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Merge the meta of each encoder into one dictionary for each object of a batch.

    Args:
        meta: For each encoder, one dictionary for each of the same N objects.

    Returns:
        N dictionaries: the i-th holds the meta of the i-th object from all encoders.

    Raises:
        ValueError: The encoders return different numbers of dictionaries, or two of them give
            different values for the same name of the same object.

    Example:
        >>> merge_meta({"image": [{"width": 640}], "text": [{"language": "en"}]})
        [{'width': 640, 'language': 'en'}]
    """
    lengths = {encoder: len(facts) for encoder, facts in meta.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(
            f"Each encoder has to return one dictionary of meta for each object of a batch, but "
            f"the number of dictionaries differs: {lengths}."
        )
    return [
        _merge_object(dict(zip(meta, facts, strict=True)), index)
        for index, facts in enumerate(zip(*meta.values(), strict=True))
    ]


def _merge_object(facts_by_encoder: dict[str, dict[str, Any]], index: int) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    source_of: dict[str, str] = {}
    for encoder, facts in facts_by_encoder.items():
        for name, value in facts.items():
            if name in merged and merged[name] != value:
                raise about_object(
                    ValueError(
                        f"The encoders {source_of[name]!r} and {encoder!r} disagree on {name!r} of "
                        f"object {index}: {merged[name]!r} and {value!r}. Let extract_meta of one "
                        "of them use another name."
                    ),
                    index,
                )
            merged[name] = value
            source_of.setdefault(name, encoder)
    return merged
