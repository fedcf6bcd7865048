"""The distinct objects of an evaluation, which of them query, and what they are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from quaterion_core import SimilarityModel
from quaterion_core.dataset import SimilarityPairSample
from quaterion_core.dataset.similarity_data_loader import loader_for
from quaterion_core.eval import GroupMetric, PairMetric
from quaterion_core.eval.retrieval import Retrieval
from quaterion_core.types import Targets
from quaterion_report.thumbnails import is_image

BATCH_SIZE: Final = 128
QUERIES: Final = "queries"
DOCUMENTS: Final = "documents"


@dataclass(frozen=True)
class Corpus:
    """Objects to evaluate on, each distinct one once.

    Attributes:
        objects: N distinct objects.
        groups: Name of the group of each; ``None`` where it has none. For pairs, it is the
            subgroup, or else the role of the object.
        number: For each row of the samples, the number of its object, shape (R,), int64.
        targets: Targets of all rows.
        queries: Rows that query; ``None`` for all.
        candidates: Rows that can be found; ``None`` for all.
        are_roles: Whether the groups are the roles of objects in pairs.
        metric_type: The kind of metric, which defines what is relevant.
    """

    objects: list[Any]
    groups: list[str | None]
    number: Tensor
    targets: Targets
    queries: Tensor | None
    candidates: Tensor | None
    are_roles: bool
    metric_type: type[PairMetric] | type[GroupMetric]

    @classmethod
    def of(cls, samples: Sequence[Any], reference: Sequence[Any] | None = None) -> Corpus:
        """Return the objects of samples, as an evaluation searches them.

        For pairs, each ``obj_a`` is a query over all ``obj_b``. For groups, each object is a query
        over the objects of the reference, or over all other objects if there is none.

        Args:
            samples: The samples, of one kind, at least one.
            reference: Samples whose objects are searched, for groups.
        """
        are_pairs = isinstance(samples[0], SimilarityPairSample)
        are_roles = are_pairs and all(sample.subgroup is None for sample in samples)
        everything = [*samples, *(reference or ())]
        rows, targets = loader_for(samples[0]).pre_collate_fn(everything)
        ids = targets["objects"].tolist()
        number_of = {id_: number for number, id_ in enumerate(dict.fromkeys(ids))}
        number = torch.tensor([number_of[id_] for id_ in ids])
        objects: list[Any] = [None] * len(number_of)
        groups: list[str | None] = [None] * len(number_of)
        for row, place in reversed(list(enumerate(number.tolist()))):
            objects[place] = rows[row]
        queries: Tensor | None = None
        candidates: Tensor | None = None
        if are_pairs:
            queries, candidates = targets["pairs"].unbind(dim=1)
            named = [(sample.subgroup, sample.subgroup) for sample in everything]
            if are_roles:
                named = [(QUERIES, DOCUMENTS)] * len(everything)
            for (first, second), names in zip(targets["pairs"].tolist(), named, strict=True):
                for row, name in zip((first, second), names, strict=True):
                    groups[int(number[row])] = groups[int(number[row])] or _name(name)
        else:
            for row, sample in enumerate(everything):
                groups[int(number[row])] = _name(sample.group)
            if reference is not None:
                positions = torch.arange(len(everything))
                queries, candidates = positions.tensor_split([len(samples)])
        metric_type = PairMetric if are_pairs else GroupMetric
        return cls(objects, groups, number, targets, queries, candidates, are_roles, metric_type)

    def rows(self) -> list[Any]:
        """Return the objects of all R rows of the samples."""
        return [self.objects[number] for number in self.number.tolist()]

    @torch.no_grad()
    def embed(self, model: SimilarityModel) -> Tensor:
        """Return the embeddings of all objects in float32 on the CPU, shape (N, D)."""
        embeddings = model.encode(self.objects, batch_size=BATCH_SIZE, to_numpy=False)
        return embeddings.float().cpu()

    def retrieval(self, embeddings: Tensor) -> Retrieval:
        """Return the queries and candidates with given embeddings of all objects (N, D)."""
        device = embeddings.device
        return Retrieval(
            embeddings[self.number.to(device)],
            {name: values.to(device) for name, values in self.targets.items()},
            None if self.queries is None else self.queries.to(device),
            None if self.candidates is None else self.candidates.to(device),
        )

    def group_names(self) -> list[str]:
        """Return the names of the groups, those with the most objects first."""
        counts = Counter(group for group in self.groups if group is not None)
        return [name for name, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]


def _name(value: Hashable) -> str | None:
    return None if value is None else str(value)


def text_of(obj: Any, longest: int, number: int) -> str:
    """Return what the page writes for an object.

    Args:
        obj: A text is shown itself, and a file by its folder and name.
        longest: Number of characters beyond which a text is cut.
        number: Number of the object, for one that has neither text nor name.

    Example:
        >>> text_of("How do I  reset it?", 12, 1), text_of(Path("/data/cats/001.png"), 40, 2)
        ('How do I re…', 'cats/001.png')
        >>> text_of(torch.zeros(3, 2, 2), 40, 3), text_of({"a": 1}, 40, 4)
        ('image 3', "{'a': 1}")
    """
    if isinstance(obj, Path):
        text = "/".join(obj.parts[-2:])
    elif is_image(obj):
        text = f"image {number:,}"
    else:
        text = str(obj)
    text = " ".join(text.encode("utf-8", "replace").decode().split())
    return text if len(text) <= longest else text[: longest - 1] + "…"
