"""The interface of a batch sampler."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch

from quaterion_core.dataset.batch_samplers.sample_facts import SampleFacts


class BatchSampler(ABC):
    """Base class of samplers that divide the samples of an epoch into batches.

    The batches are those of all processes together; each batch is then divided among them. All
    randomness comes from the given generator, so that processes with the same seed make the same
    batches. ``drop_last`` of a loader has no effect on the batches of a batch sampler.

    Attributes:
        left_out_because: Why :meth:`batches` may leave samples out, for the message that counts
            them: what follows "since". Empty by default.
    """

    left_out_because: str = ""

    @abstractmethod
    def batches(
        self, facts: SampleFacts, batch_size: int, generator: torch.Generator
    ) -> list[list[int]]:
        """Divide S samples into batches.

        Args:
            facts: Targets of the samples, and which of their objects are equal.
            batch_size: The maximum number of samples in a batch, over all processes.
            generator: A CPU generator; the only source of randomness.

        Returns:
            Indices of the samples of each batch. A sample occurs at most once; no batch is empty.

        Raises:
            ValueError: The samples or the batch size do not suit this sampler.
        """

    def check_batch_size(self, batch_size: int) -> None:
        """Raise a ``ValueError`` for a batch size that does not suit this sampler.

        By default any positive number does.
        """
        if batch_size < 1:
            raise ValueError(f"Expected a batch_size of at least 1, got {batch_size}.")

    def may_join(self, facts: SampleFacts, batch: list[int]) -> bool:
        """Return whether samples may form one batch; by default any samples may.

        It is called before a last batch with fewer samples than there are processes is merged into
        the batch before it.

        Args:
            facts: Targets of the samples, and which of their objects are equal.
            batch: Indices of the samples.
        """
        return True
