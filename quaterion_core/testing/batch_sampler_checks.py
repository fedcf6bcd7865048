"""Conformance checks for batch samplers."""

from __future__ import annotations

from collections import Counter
from typing import Final

import torch

from quaterion_core.dataset.batch_samplers import BatchSampler, SampleFacts
from quaterion_core.dataset.targets import NO_SUBGROUP
from quaterion_core.testing.checks import CheckError, Checks, NotApplicableError
from quaterion_core.testing.comparing import require_interface
from quaterion_core.testing.subject import Subject

_BATCH_SIZE: Final = 16
_SAMPLES: Final = 60
_GROUPS: Final = 12


class BatchSamplerSubject(Subject[BatchSampler]):
    """A batch sampler under test, with samples that it takes."""

    def batches(self, seed: int = 1) -> list[list[int]]:
        """Return the batches of an epoch: of samples in groups, or else of pairs."""
        errors = []
        for facts in (samples_in_groups(), samples_of_pairs()):
            sampler = self.fresh()
            try:
                return sampler.batches(facts, _BATCH_SIZE, torch.Generator().manual_seed(seed))
            except ValueError as error:
                errors.append(str(error))
        raise CheckError(
            f"expected batches of {_SAMPLES} samples in {_GROUPS} groups, or of as many pairs, "
            f"with a batch size of {_BATCH_SIZE}, got the errors: {' '.join(errors)}"
        )


BATCH_SAMPLER_CHECKS: Final[Checks[BatchSamplerSubject]] = Checks("batch sampler")


def samples_in_groups() -> SampleFacts:
    """Return facts of samples in groups of equal size, of which some have equal objects."""
    numbers = torch.arange(_SAMPLES)
    return SampleFacts({"groups": numbers % _GROUPS}, (numbers % 50)[:, None])


def samples_of_pairs() -> SampleFacts:
    """Return facts of positive pairs, of which some have equal objects."""
    numbers = torch.arange(_SAMPLES)
    targets = {
        "labels": torch.ones(_SAMPLES),
        "subgroups": torch.full((_SAMPLES,), NO_SUBGROUP, dtype=torch.int64),
    }
    return SampleFacts(targets, torch.stack([2 * (numbers % 50), 2 * numbers + 1], dim=1))


@BATCH_SAMPLER_CHECKS.add
def construction(subject: BatchSamplerSubject) -> None:
    """The batch sampler cannot be built from the arguments given, or cannot be copied.

    Pass the arguments that its constructor requires: `Example(arguments={...})` under the batch
    sampler's name in `examples`; or fix the constructor.
    """
    subject.built()


@BATCH_SAMPLER_CHECKS.add
def interface(subject: BatchSamplerSubject) -> None:
    """The class is not derived from `BatchSampler`.

    Derive from `quaterion_core.dataset.BatchSampler` and implement `batches`.
    """
    require_interface(subject.fresh(), BatchSampler)


@BATCH_SAMPLER_CHECKS.add
def batches(subject: BatchSamplerSubject) -> None:
    """A batch is empty or too large, or holds an index that is wrong or occurs in an epoch twice.

    Return lists of indices of samples: each sample at most once, and at most `batch_size` in a
    batch.
    """
    made = subject.batches()
    if not made:
        raise CheckError("expected at least one batch, got none")
    for batch in made:
        if not 1 <= len(batch) <= _BATCH_SIZE:
            raise CheckError(f"expected 1 to {_BATCH_SIZE} samples in a batch, got {len(batch)}")
    counts = Counter(index for batch in made for index in batch)
    wrong = [index for index in counts if type(index) is not int or not 0 <= index < _SAMPLES]
    if wrong:
        raise CheckError(f"expected indices from 0 to {_SAMPLES - 1}, got {wrong[0]!r}")
    index, count = counts.most_common(1)[0]
    if count > 1:
        raise CheckError(f"expected each sample at most once, got the sample {index} {count} times")


@BATCH_SAMPLER_CHECKS.add
def determinism(subject: BatchSamplerSubject) -> None:
    """Batches differ for the same generator, which processes and resumed runs rely on.

    Draw random numbers from `generator` alone, and do not change state in `batches`.
    """
    first = subject.batches()
    torch.rand(7)
    if subject.batches() != first:
        raise CheckError("expected the same batches for the same seed, got different ones")


@BATCH_SAMPLER_CHECKS.add
def randomness(subject: BatchSamplerSubject) -> None:
    """Every epoch has the same batches, whatever the state of the generator.

    Shuffle with `torch.randperm(..., generator=generator)`.
    """
    if len({str(subject.batches(seed)) for seed in range(5)}) == 1:
        raise CheckError("expected other batches for other seeds, got the same for five seeds")


@BATCH_SAMPLER_CHECKS.add
def arguments_unchanged(subject: BatchSamplerSubject) -> None:
    """The facts of the samples are modified, which are used again in the next epoch.

    Copy a tensor before modifying it in place.
    """
    for make in (samples_in_groups, samples_of_pairs):
        facts, expected = make(), make()
        try:
            subject.fresh().batches(facts, _BATCH_SIZE, torch.Generator().manual_seed(1))
        except ValueError:
            continue
        same = torch.equal(facts.objects, expected.objects) and all(
            torch.equal(facts.targets[name], values) for name, values in expected.targets.items()
        )
        if not same:
            raise CheckError("expected the facts of the samples to stay as they are")
        return
    raise NotApplicableError("it makes no batches of these samples: see the check 'batches'")


@BATCH_SAMPLER_CHECKS.add
def batch_size(subject: BatchSamplerSubject) -> None:
    """A batch size of 0 is accepted.

    Call `super().check_batch_size(batch_size)` in `check_batch_size`.
    """
    try:
        subject.fresh().check_batch_size(0)
    except ValueError:
        return
    raise CheckError("expected a ValueError for a batch size of 0, got none")
