"""Division of samples into parts that share no object, so that nothing leaks between them."""

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
"""By which part of its size a part may be too small, before the division is refused."""


def divide(
    samples: Sequence[SampleT], fractions: Sequence[float], seed: int = 0
) -> list[list[SampleT]]:
    """Divide samples into parts of given sizes that have no object in common.

    Equal objects come into one part, and so do pairs that share an object, also through others:
    (a, b), (b, c) and (c, d) stay together. Group samples are stratified: each part gets its
    fraction of each group, as nearly as whole objects allow. Every part keeps the order of the
    samples.

    Args:
        samples: Samples of one kind.
        fractions: The fraction of the samples of each part but the first, which gets the rest.
        seed: Seed of the choice.

    Returns:
        The rest, and a part for each fraction.

    Raises:
        ValueError: A fraction is not between 0 and 1, all of them leave no rest, or too many
            samples hang together through common objects, so that a part stays empty or less than
            half as large as it should be.

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
                f"only {len(part):,} can be set apart without a common object: the largest set of "
                f"samples that hang together through equal objects has {largest:,}. Give the part "
                "a file of its own, or choose another fraction."
            )
    return parts


def check_fractions(fractions: Sequence[float]) -> None:
    """Refuse fractions that leave no rest.

    Raises:
        ValueError: One is not between 0 and 1, or their sum is 1 or more.
    """
    if any(not 0 < fraction < 1 for fraction in fractions) or sum(fractions) >= 1:
        raise ValueError(
            "Expected fractions between 0 and 1 whose sum is less than 1, such as 0.1, got "
            f"{', '.join(f'{fraction:g}' for fraction in fractions)}."
        )


def _units(samples: Sequence[SimilaritySample]) -> list[int]:
    """Number the sets of samples that hang together through equal objects."""
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
    """Choose a part for each unit, 0 for the rest."""
    sizes = Counter(units)
    by_stratum: dict[int, list[int]] = {}
    for unit, stratum in dict(zip(reversed(units), reversed(strata), strict=True)).items():
        by_stratum.setdefault(stratum, []).append(unit)
    generator = random.Random(seed)
    part_of = dict.fromkeys(sizes, 0)
    owed = [0.0] * len(fractions)  # what the strata so far have left each part without
    for stratum in sorted(by_stratum):
        members = sorted(by_stratum[stratum])
        generator.shuffle(members)
        total = sum(sizes[unit] for unit in members)
        left = len(members)
        for part, fraction in enumerate(fractions):
            owed[part] += fraction * total
            for unit in members:
                if left == 1 or owed[part] < 0.5:
                    break  # a stratum is never taken out of the rest as a whole
                if part_of[unit] == 0 and sizes[unit] <= owed[part] + 0.5:
                    part_of[unit] = part + 1
                    owed[part] -= sizes[unit]
                    left -= 1
    return part_of
