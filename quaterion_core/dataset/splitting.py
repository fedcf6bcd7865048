"""Splits of samples into parts that share no object, so that nothing leaks between them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from quaterion_core.dataset.distinct_objects import DistinctObjects
from quaterion_core.dataset.object_digest import object_digests
from quaterion_core.dataset.similarity_samples import SimilarityPairSample, SimilaritySample
from quaterion_core.dataset.targets import stable_id

SampleT = TypeVar("SampleT", bound=SimilaritySample)

_MOST_MISSING = 0.5
"""A part with less than this fraction of its requested size is an error."""


def divide(
    samples: Sequence[SampleT], fractions: Sequence[float], seed: int = 0
) -> list[list[SampleT]]:
    """Split samples into parts of given sizes that have no object in common.

    Equal objects are in the same part, and so are pairs connected by shared objects: (a, b), (b, c)
    and (c, d) stay together. Group samples are stratified: each part gets its fraction of each
    group, up to rounding. The order of the samples is preserved within each part.

    Args:
        samples: Samples of one kind.
        fractions: Fraction of the samples of each part except the first, which gets the rest.
        seed: Seed of the random assignment.

    Returns:
        The rest, followed by one part per fraction.

    Raises:
        ValueError: A fraction is not between 0 and 1, the fractions sum to 1 or more, or so many
            samples are connected by shared objects that a part would have less than half of its
            requested size.

    Example:
        >>> pairs = [SimilarityPairSample(f"question {n}", f"answer {n}") for n in range(10)]
        >>> pairs.append(SimilarityPairSample("question 0, in other words", "answer 0"))
        >>> train, validation = divide(pairs, [0.2])
        >>> len(train), len(validation)
        (9, 2)
        >>> {pair.obj_b for pair in train} & {pair.obj_b for pair in validation}
        set()
    """
    check_fractions(fractions)
    is_paired = bool(samples) and isinstance(samples[0], SimilarityPairSample)
    units = _units(samples)
    strata = [0] * len(samples) if is_paired else [stable_id(s.group) for s in samples]  # type: ignore[union-attr]
    part_of = _assigned(units, strata, fractions, seed)
    parts: list[list[SampleT]] = [[] for _ in range(len(fractions) + 1)]
    for sample, unit in zip(samples, units, strict=True):
        parts[part_of[unit]].append(sample)
    for fraction, part in zip(fractions, parts[1:], strict=True):
        wanted = fraction * len(samples)
        if not part or len(part) < _MOST_MISSING * wanted:
            largest = max(Counter(units).values(), default=0)
            raise ValueError(
                f"Expected {wanted:.4g} of {len(samples):,} samples in a part of {fraction:g}, but "
                f"only {len(part):,} can be separated without a shared object: the largest set of "
                f"samples connected by equal objects has {largest:,}. Use a separate file for this "
                "part, or another fraction."
            )
    return parts


def check_fractions(fractions: Sequence[float]) -> None:
    """Check fractions.

    Raises:
        ValueError: One is not between 0 and 1, or their sum is 1 or more.
    """
    if any(not 0 < fraction < 1 for fraction in fractions) or sum(fractions) >= 1:
        raise ValueError(
            "Expected fractions between 0 and 1 whose sum is less than 1, such as 0.1, got "
            f"{', '.join(f'{fraction:g}' for fraction in fractions)}."
        )


def _units(samples: Sequence[SimilaritySample]) -> list[int]:
    """Return a number for each sample, the same for samples connected by equal objects."""
    objects = [
        [sample.obj_a, sample.obj_b] if isinstance(sample, SimilarityPairSample) else [sample.obj]
        for sample in samples
    ]
    flat = [obj for own in objects for obj in own]
    rows = DistinctObjects.from_digests(object_digests(flat)).rows if flat else np.empty(0, int)
    size = len(flat) // max(len(samples), 1)
    parent = list(range(int(rows.max(initial=-1)) + 1))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    of_sample = rows.reshape(-1, size).tolist() if size else []
    for own in of_sample:
        parent[root(own[-1])] = root(own[0])
    return [root(own[0]) for own in of_sample]


def _assigned(
    units: list[int], strata: list[int], fractions: Sequence[float], seed: int
) -> dict[int, int]:
    """Return the part of each unit; 0 is the rest."""
    sizes = Counter(units)
    by_stratum: dict[int, list[int]] = {}
    for unit, stratum in dict(zip(reversed(units), reversed(strata), strict=True)).items():
        by_stratum.setdefault(stratum, []).append(unit)
    generator = random.Random(seed)
    part_of = dict.fromkeys(sizes, 0)
    owed = [0.0] * len(fractions)  # samples each part still lacks from the strata so far
    for stratum in sorted(by_stratum):
        members = sorted(by_stratum[stratum])
        generator.shuffle(members)
        total = sum(sizes[unit] for unit in members)
        left = len(members)
        for part, fraction in enumerate(fractions):
            owed[part] += fraction * total
            for unit in members:
                if left == 1 or owed[part] < 0.5:
                    break  # the rest keeps at least one object of each stratum
                if part_of[unit] == 0 and sizes[unit] <= owed[part] + 0.5:
                    part_of[unit] = part + 1
                    owed[part] -= sizes[unit]
                    left -= 1
    return part_of
