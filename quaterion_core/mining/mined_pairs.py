"""A dataset whose hard negatives are mined again during training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset
from typing_extensions import Unpack

from quaterion_core.dataset.similarity_samples import SimilarityPairSample
from quaterion_core.dataset.sources import Columns
from quaterion_core.mining.hard_negatives import find_hard_negatives
from quaterion_core.mining.mining_report import MiningReport
from quaterion_core.mining.mining_rules import MiningRules
from quaterion_core.mining.queries import Queries
from quaterion_core.model import SimilarityModel


class MinedPairs(Dataset[SimilarityPairSample]):
    """Dataset of pair samples and hard negatives for each of their queries.

    It holds the S samples, followed by ``negatives_per_query`` pairs with the score 0 for each
    query. Their number never changes. Negatives are random at first; :meth:`mine` replaces them by
    hard ones, and by random ones where it finds too few. Random negatives are subject to the same
    conditions as mined ones; see :func:`~quaterion_core.mining.mine_hard_negatives`.

    The negatives are in shared memory, so that worker processes of a loader see updates.

    Args:
        samples: S pair samples, or data that :func:`~quaterion_core.dataset.samples_from` converts
            to them.
        corpus: Objects to mine in; by default all ``obj_b`` of the samples.
        rules: Number of negatives, and which objects may be one; by default the most similar one.
        **columns: Names of the columns of ``samples``, such as ``obj_a="question"``.

    Attributes:
        report: Statistics of the last mining; ``None`` before the first.
        revision: Number of minings so far, which shows whether the samples have changed.

    Raises:
        TypeError: A sample is not a pair.
        ValueError: There is no query, no corpus, or no possible negative for a query.

    Example:
        >>> samples = [SimilarityPairSample("hot", "warm"), SimilarityPairSample("cold", "icy")]
        >>> pairs = MinedPairs(samples)
        >>> len(pairs), pairs[2]
        (4, SimilarityPairSample(obj_a='hot', obj_b='icy', score=0.0, subgroup=None))
    """

    def __init__(
        self,
        samples: Any,
        corpus: Sequence[Any] | None = None,
        rules: MiningRules | None = None,
        **columns: Unpack[Columns],
    ):
        self._rules = rules or MiningRules()
        self._queries = Queries(samples, corpus, **columns)
        self.report: MiningReport | None = None
        self.revision = 0
        size = len(self._queries.objects), self._rules.negatives_per_query
        self._negatives: Tensor = self._filled(torch.full(size, -1))
        self._negatives.share_memory_()  # type: ignore[no-untyped-call]

    @property
    def negatives(self) -> Tensor:
        """Positions in the corpus of each query's negatives, shape (Q, n), in shared memory."""
        return self._negatives

    def __len__(self) -> int:
        return len(self._queries.samples) + self._negatives.numel()

    def __getitem__(self, index: int) -> SimilarityPairSample:
        if not -len(self) <= index < len(self):
            raise IndexError(f"Index {index} is out of range for {len(self)} pairs.")
        index %= len(self)
        samples = self._queries.samples
        if index < len(samples):
            return samples[index]
        query, place = divmod(index - len(samples), self._rules.negatives_per_query)
        return SimilarityPairSample(
            self._queries.objects[query],
            self._queries.corpus[int(self._negatives[query, place])],
            0.0,
            self._queries.subgroups[query],
        )

    def mine(
        self, model: SimilarityModel, *, guide: SimilarityModel | None = None, batch_size: int = 32
    ) -> MiningReport:
        """Replace the negatives by those that a model finds hard now.

        The result is the same for equal models, rules and numbers of minings so far.

        Args:
            model: Embeds queries and corpus, in evaluation mode, on its device.
            guide: A second model to detect false negatives.
            batch_size: Number of objects to embed at once.

        Returns:
            Statistics of the mining, also kept in :attr:`report`.
        """
        found, self.report = find_hard_negatives(
            self._queries,
            model,
            self._rules,
            guide=guide,
            batch_size=batch_size,
            round_number=self.revision,
        )
        self.revision += 1
        self._negatives.copy_(self._filled(found))
        return self.report

    def state_dict(self) -> dict[str, Any]:
        """Return the negatives and the number of minings, for a checkpoint."""
        return {"negatives": self._negatives.clone(), "revision": self.revision}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up the negatives that :meth:`state_dict` returned.

        Raises:
            ValueError: They belong to other data or other rules.
        """
        negatives = state["negatives"]
        if negatives.shape != self._negatives.shape or int(negatives.max()) >= len(
            self._queries.corpus
        ):
            raise ValueError(
                f"Expected a checkpoint with negatives_per_query={self._negatives.shape[1]} for "
                f"{self._negatives.shape[0]} queries in a corpus of {len(self._queries.corpus)} "
                f"objects, got negatives_per_query={negatives.shape[1]} for {negatives.shape[0]} "
                "queries. Resume with the same data and rules."
            )
        self._negatives.copy_(negatives)
        self.revision = state["revision"]

    def _filled(self, negatives: Tensor) -> Tensor:
        """Replace what is missing by random objects, and return the same tensor."""
        generator = torch.Generator().manual_seed(self._rules.seed + self.revision)
        self._queries.fill_at_random(negatives, generator)
        return negatives
