"""Interface of metrics."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Final, TypeAlias

import torch
from torch import Tensor
from typing_extensions import Self

from quaterion_core.components import CheckedArguments
from quaterion_core.distances import Distance
from quaterion_core.eval.accumulators.accumulator import Accumulator
from quaterion_core.eval.ranking import Needs, Ranking, rank_matrix, relevant
from quaterion_core.eval.relevance import RelevanceBuilder
from quaterion_core.eval.retrieval import Retrieval
from quaterion_core.eval.scoring import score
from quaterion_core.types import Targets

ReduceFunction: TypeAlias = Callable[[Tensor], Tensor]

_REDUCE_FUNCTIONS: Final[dict[str | None, ReduceFunction | None]] = {
    None: None,
    "mean": torch.mean,
}


class BaseMetric(CheckedArguments, ABC):
    """Metric over the retrieval of objects by other objects.

    :meth:`compute` gives the value over one batch, where each object queries all others.
    :meth:`update` collects batches, :meth:`compute` without arguments gives the value over all
    of them, and :meth:`reset` discards them. Whole datasets are processed in blocks of
    queries, so that memory grows with the number of objects and not with its square.

    Derive from :class:`~quaterion_core.eval.group.GroupMetric` or
    :class:`~quaterion_core.eval.pair.PairMetric`, and define either

    - :attr:`needs` and :meth:`ranking_values`, one value for each query, from its nearest
      candidates: shares one search with all other such metrics; or
    - :meth:`query_values`, one value for each query, from its distances from all candidates: works
      in blocks; or
    - :meth:`raw_compute`, the final value: takes the whole matrix of queries and candidates, which
      needs much memory for large datasets unless a sampler limits the number of queries; or
    - :meth:`of_retrieval`, the final value: takes a
      :class:`~quaterion_core.eval.retrieval.Retrieval`.

    Args:
        distance_metric_name: Distance by which candidates are ranked.
        reduce_func: Reduces the values of all queries that have a relevant object to one value.
            ``None`` returns the values themselves, for means, deviations and quantiles.
    """

    accumulator_type: ClassVar[type[Accumulator]]

    higher_is_better: ClassVar[bool] = True
    """Whether the higher of two values is the better one, when epochs are compared."""

    needs_all_queries: ClassVar[bool] = False
    """Whether its value cannot be put together from blocks of queries by :meth:`query_values`.

    True for a class that defines :meth:`raw_compute` or :meth:`of_retrieval`, unless it says
    otherwise.
    """

    uses_ranking: ClassVar[bool] = False
    """Whether its values are those of :meth:`ranking_values` or :meth:`block_values`.

    True for a class that defines one of these, false for one that derives from such a
    class and defines :meth:`query_values`, :meth:`raw_compute` or :meth:`of_retrieval` instead.
    """

    relevance: ClassVar[RelevanceBuilder | None] = None
    """Builds what is relevant to queries as lists; ``None`` for the matrix of `prepare_labels`."""

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        own = vars(cls)
        if {"ranking_values", "block_values"} & own.keys():
            cls.uses_ranking = True
        elif {"query_values", "raw_compute", "of_retrieval"} & own.keys():
            cls.uses_ranking = False
        if "prepare_labels" in own and "relevance" not in own:
            cls.relevance = None
        if "needs_all_queries" not in own and {"raw_compute", "of_retrieval"} & own.keys():
            cls.needs_all_queries = True

    def __init__(
        self,
        distance_metric_name: Distance | str = Distance.COSINE,
        reduce_func: ReduceFunction | None = torch.mean,
    ):
        self.distance_metric_name = Distance(distance_metric_name)
        self.distance = Distance.get_by_name(self.distance_metric_name)
        self.reduce_func = reduce_func
        self.accumulator = self.accumulator_type()

    @staticmethod
    @abstractmethod
    def prepare_labels(*args: Any, **kwargs: Any) -> Tensor:
        """Return the relevance of each candidate to each query, shape (Q, M); 0 is not relevant.

        Takes the targets of N objects, and the rows of ``queries`` and ``candidates``, by default
        all of them.
        """

    @abstractmethod
    def update(self, *args: Any, **kwargs: Any) -> None:
        """Collect the embeddings and targets of a batch."""

    @abstractmethod
    def compute(self, *args: Any, **kwargs: Any) -> Tensor:
        """Return the value over a batch or, without arguments, over all collected batches."""

    def evaluate(self) -> Tensor:
        """Return the value over all collected batches.

        Raises:
            RuntimeError: No batch was collected.
        """
        if not len(self.accumulator):
            raise RuntimeError(
                f"{type(self).__name__} has nothing to evaluate. Call update() with the embeddings "
                "and targets of at least one batch first, or pass a batch to compute()."
            )
        return self._value(self.accumulator)

    def reset(self) -> None:
        """Discard all collected batches."""
        self.accumulator.reset()

    def query_values(self, distance_matrix: Tensor, labels: Tensor) -> Tensor:
        """Return one value for each query.

        Both matrices are shared with other metrics and must not be changed in place.

        Args:
            distance_matrix: Distances of Q queries from N objects, shape (Q, N); infinite where an
                object would find itself.
            labels: What is relevant, shape (Q, N), bool.

        Returns:
            Shape (Q,). Values of queries without a relevant object are ignored.
        """
        return self.ranking_values(rank_matrix(distance_matrix, labels, self.needs))

    @property
    def needs(self) -> Needs:
        """What :meth:`ranking_values` needs to know of the ranking; by default only counts."""
        return Needs()

    def ranking_values(self, ranking: Ranking) -> Tensor:
        """Return one value for each query.

        Args:
            ranking: The nearest candidates of Q queries, and what is relevant among them: at least
                what :attr:`needs` asks for. It is shared with other metrics and must not be changed
                in place.

        Returns:
            Shape (Q,). Values of queries without a relevant candidate are ignored.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has to define query_values(), ranking_values(), or "
            "raw_compute()."
        )

    def block_values(self, ranking: Ranking, retrieval: Retrieval, start: int, stop: int) -> Tensor:
        """Return one value for each of a range of the queries, by default :meth:`ranking_values`.

        A metric that needs more than the ranking, such as the groups of what is found, overrides
        it.

        Args:
            ranking: Ranking of the queries of the range.
            retrieval: The retrieval that they belong to.
            start: Number of the first query.
            stop: Number behind that of the last.
        """
        return self.ranking_values(ranking)

    def raw_compute(self, distance_matrix: Tensor, labels: Tensor) -> Tensor:
        """Return the value for given distances and labels.

        Args:
            distance_matrix: Distances of Q queries from N objects, shape (Q, N); infinite where an
                object would find itself.
            labels: Shape (Q, N), float32; relevant where above 0.

        Returns:
            The values of all queries that have a relevant object, reduced by ``reduce_func`` if
            there is one; 0 if there is no such query.
        """
        return self.reduce(self.answered_values(distance_matrix, labels))

    def answered_values(self, distance_matrix: Tensor, labels: Tensor) -> Tensor:
        """Return :meth:`query_values` of the queries that have a relevant object."""
        values, is_answered = self.values_and_answered(distance_matrix, labels)
        return values[is_answered]

    def values_and_answered(self, distance_matrix: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return :meth:`query_values`, and which of the queries have a relevant object: (Q,) each.

        Args:
            distance_matrix: Distances of Q queries from N objects, shape (Q, N); infinite where an
                object would find itself.
            labels: Relevant where above 0, shape (Q, N).
        """
        relevance = relevant(distance_matrix, labels)
        given = labels if self.uses_ranking else relevance  # rankings have graded relevance
        return self.query_values(distance_matrix, given), relevance.any(dim=1)

    def reduce(self, values: Tensor) -> Tensor:
        """Apply ``reduce_func`` to values of shape (Q,); 0 if there are none."""
        if self.reduce_func is None:
            return values
        return self.reduce_func(values) if len(values) else values.new_zeros(())

    def of_retrieval(self, retrieval: Retrieval) -> Tensor:
        """Return the value for all queries of a retrieval.

        By default it goes over blocks of queries with :meth:`ranking_values` or
        :meth:`query_values`; a metric that :attr:`needs_all_queries` gets the whole matrices, by
        :meth:`raw_compute`.

        Args:
            retrieval: Embeddings, targets, and which of the objects query which others.
        """
        if self.needs_all_queries:
            return self.raw_compute(
                retrieval.distance_matrix(self.distance, retrieval.queries),
                retrieval.labels(self.prepare_labels, retrieval.queries).float(),
            )
        return score({"": self}, retrieval).values[""]

    def resampled(self, retrieval: Retrieval) -> Tensor | None:
        """Return the value over bootstrap samples of a retrieval, for its confidence interval.

        It is called only for a metric that :attr:`needs_all_queries`; for others, the values of
        queries are resampled. Samples depend on the targets alone, so that those of two models
        over the same data are the same, and their differences have a meaning.

        Returns:
            Shape (R,), NaN for samples that have no value; ``None``, the default, if there is no
            way to resample the metric.
        """
        return None

    def precompute(self, embeddings: Tensor, **targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return labels and distances of a batch, both (N, N), as :meth:`raw_compute` takes them.

        The labels come first here. Equal objects are one, where the targets hold ``objects``.
        """
        retrieval = Retrieval(embeddings, targets)
        return (
            retrieval.labels(self.prepare_labels, retrieval.queries).float(),
            retrieval.distance_matrix(self.distance, retrieval.queries),
        )

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this metric, as JSON values.

        Raises:
            ValueError: ``reduce_func`` is neither ``None`` nor ``torch.mean``, the only functions
                that have a name in a configuration.
        """
        for name, function in _REDUCE_FUNCTIONS.items():
            if function is self.reduce_func:
                distance_name = self.distance_metric_name.value
                return {"distance_metric_name": distance_name, "reduce_func": name}
        raise ValueError(
            f"Expected a reduce_func of None or torch.mean in a configuration of "
            f"{type(self).__name__}, got {self.reduce_func!r}. Use None and reduce the values "
            "yourself."
        )

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Build a metric from what :meth:`get_config_dict` returned.

        Raises:
            ValueError: ``reduce_func`` is neither ``null`` nor ``"mean"``.
        """
        arguments = dict(config)
        if "reduce_func" in config:
            name = config["reduce_func"]
            if name not in _REDUCE_FUNCTIONS:
                raise ValueError(f"Expected reduce_func to be null or 'mean', got {name!r}.")
            arguments["reduce_func"] = _REDUCE_FUNCTIONS[name]
        return cls(**arguments)

    def _compute(self, embeddings: Tensor | None, **targets: Any) -> Tensor:
        """Check a batch as :meth:`update` does, and return the value over it alone."""
        if embeddings is None:
            given = [name for name, target in targets.items() if target is not None]
            if given:
                raise TypeError(
                    f"compute() got {', '.join(given)} without embeddings. Pass both for the value "
                    "over a batch, or nothing for the value over all collected batches."
                )
            return self.evaluate()
        batch = self.accumulator_type()
        batch.update(embeddings, **targets)
        return self._value(batch)

    @torch.no_grad()
    def value_over_samples(self, state: Targets) -> Tensor:
        """Return the value over samples, as an evaluation of these samples reports it.

        Each first object of a pair queries all second objects; each object of groups queries all
        others.

        Args:
            state: Embeddings and targets that an accumulator has collected.
        """
        targets = dict(state)
        return self.of_retrieval(Retrieval.of_samples(targets.pop("embeddings"), targets))

    @torch.no_grad()
    def _value(self, accumulator: Accumulator) -> Tensor:
        targets = accumulator.state
        embeddings = targets.pop("embeddings")
        return self.of_retrieval(Retrieval(embeddings, targets))
