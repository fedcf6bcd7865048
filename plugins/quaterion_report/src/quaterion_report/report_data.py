"""What a page shows, as data: gathered from a model, written as JSON, drawn without the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

SystemKey = Literal["model", "untouched", "other"]

MODEL: Final = "model"
"""Key of the model of the page among its systems."""

UNTOUCHED: Final = "untouched"
"""Key of its encoder before training, without a head."""

OTHER: Final = "other"
"""Key of the model that it is compared with."""

MOST_OBJECTS: Final = 20_000
MAP_SIZE: Final = 1000
"""Coordinates of a map are integers between 0 and this."""

Outcome = Literal["lost", "won", "wrong", "right"]
"""Of a query in a comparison, or without one that differs: whether its nearest object is relevant.

A query is lost if the reference finds a relevant object earlier, and won if it finds it later.
"""

_Share = Annotated[float, Field(ge=0, le=1)]
_Count = Annotated[int, Field(ge=0)]
_Text = Annotated[str, Field(max_length=20_000)]
_Short = Annotated[str, Field(max_length=400)]
_DATA_URI: Final = r"^data:image/(webp|png|jpeg);base64,[A-Za-z0-9+/]+={0,2}$"
_Image = Annotated[str, Field(max_length=4_000_000, pattern=_DATA_URI)]


class _Part(BaseModel):
    """Part of the data: immutable, with known keys only."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Fact(_Part):
    """A line about the run, such as ``encoder`` and what it is."""

    name: _Short
    value: _Text


class Split(_Part):
    """Samples that took part in the run.

    Attributes:
        name: Their purpose, such as ``train``.
        samples: Their number.
        digest: A digest of their content, if there is one.
    """

    name: _Short
    samples: _Count
    digest: _Short | None = None


class Run(_Part):
    """The training run.

    Attributes:
        facts: What was trained, how, and where.
        splits: On what.
        recipe: The recipe as YAML.
        history: Logged values of each epoch, with its number as ``epoch``.
        best_epoch: The epoch whose weights were kept; ``None`` for the last one.
    """

    facts: list[Fact]
    splits: list[Split] = []
    recipe: _Text | None = None
    history: list[dict[str, float | None]] = []
    best_epoch: _Count | None = None


class Estimate(_Part):
    """A value with its 95 % interval.

    Attributes:
        value: The value.
        low: Lower end of the interval; ``None`` if there is none.
        high: Upper end.
    """

    value: float
    low: float | None = None
    high: float | None = None


class Difference(_Part):
    """The difference of the model from another system, over the same queries.

    Attributes:
        estimate: Model minus the other, with its interval.
        p_value: Of a paired randomization test, corrected for the number of metrics; ``None`` for
            metrics that are no means over queries.
        outcome: Whether the model is clearly better or worse; ``open`` if it may be chance.
        wins: Number of queries for which the model's value is higher; ``None`` without any.
        losses: Number of those for which it is lower.
        ties: Number of the others.
    """

    estimate: Estimate
    p_value: _Share | None = None
    outcome: Literal["better", "worse", "open"] = "open"
    wins: _Count | None = None
    losses: _Count | None = None
    ties: _Count | None = None


class Metric(_Part):
    """A metric of all systems.

    Attributes:
        name: Its name.
        values: By system.
        differences: By the system that the model is compared with.
    """

    name: _Short
    values: dict[str, Estimate]
    differences: dict[str, Difference] = {}


class Curve(_Part):
    """Share of queries with a relevant object among their k nearest.

    Attributes:
        k: Ascending numbers of nearest objects.
        values: For each of them.
    """

    k: list[_Count]
    values: list[Estimate]


class Similarities(_Part):
    """Similarities of pairs, counted in bins of equal width.

    Attributes:
        low: Lower edge of the first bin.
        high: Upper edge of the last bin.
        matching: Number of matching pairs in each bin.
        others: Number of pairs that do not match.
    """

    low: float
    high: float
    matching: list[_Count]
    others: list[_Count]


class Hub(_Part):
    """An object that many queries find.

    Attributes:
        object: Its number among the objects.
        found: How many queries find it.
        deserved: For how many of these it is relevant.
    """

    object: _Count
    found: _Count
    deserved: _Count


class Hubness(_Part):
    """How often each candidate is found.

    Attributes:
        k: Number of nearest objects that count as found.
        skewness: Of the counts.
        never_found: Share of the candidates that no query finds.
        counts: Number of candidates that are found 0, 1, 2, ... times.
        hubs: The candidates that are found most often.
    """

    k: _Count
    skewness: float
    never_found: _Share
    counts: list[_Count]
    hubs: list[Hub] = []


class Geometry(_Part):
    """Shape of the cloud of embeddings.

    Attributes:
        dimensions: Size of an embedding.
        effective_rank: Number of dimensions in use.
        alignment: Mean squared distance of matching pairs; ``None`` if there are none.
        uniformity: Logarithm of the mean Gaussian potential; ``None`` for fewer than two objects.
        explained: Share of the variance in the first 1, 2, ... principal axes.
    """

    dimensions: _Count
    effective_rank: float
    alignment: float | None
    uniformity: float | None
    explained: list[float]


class System(_Part):
    """A model whose figures the page shows.

    Attributes:
        key: :data:`MODEL`, :data:`UNTOUCHED` or :data:`OTHER`.
        name: What the page calls it.
        curve: Its success curve.
        similarities: Of its pairs.
        hubness: How often it finds each candidate.
        geometry: Of its embeddings.
        x: Of each object on its map, between 0 and :data:`MAP_SIZE`.
        y: Likewise.
    """

    key: SystemKey
    name: _Short
    curve: Curve | None = None
    similarities: Similarities | None = None
    hubness: Hubness | None = None
    geometry: Geometry | None = None
    x: list[int] = Field(default=[], max_length=MOST_OBJECTS)
    y: list[int] = Field(default=[], max_length=MOST_OBJECTS)


class Sprite(_Part):
    """Thumbnails of many objects in one image.

    Attributes:
        image: The image, as a data URI.
        columns: Number of thumbnails in a row.
        size: Width and height of each, in pixels.
        objects: Numbers of the objects that it shows, in order.
    """

    image: _Image
    columns: Annotated[int, Field(ge=1)]
    size: Annotated[int, Field(ge=1)]
    objects: list[_Count]


class Neighbor(_Part):
    """An object that was found.

    Attributes:
        object: Its number among the objects.
        similarity: To the query.
        relevant: Whether it is relevant.
    """

    object: _Count
    similarity: float
    relevant: bool


class Found(_Part):
    """What a system finds for a query.

    Attributes:
        rank: Rank of the first relevant object, from 1; ``None`` if nothing is relevant.
        neighbors: The nearest objects, nearest first.
    """

    rank: _Count | None
    neighbors: list[Neighbor]


class Query(_Part):
    """A query of the gallery.

    Attributes:
        object: Its number among the objects.
        outcome: Whether it was lost, won, or is wrong or right.
        found: What each system finds.
        expected: A relevant object that the model does not show among the nearest, if there is one.
    """

    object: _Count
    outcome: Outcome
    found: dict[str, Found]
    expected: _Count | None = None


class Slice(_Part):
    """A part of the queries.

    Attributes:
        by: What the queries are divided by, such as ``group`` or ``length``.
        name: The part.
        queries: Number of its queries.
        estimate: Value of the metric.
        reference: Value of the metric for the reference, if there is one.
    """

    by: _Short
    name: _Short
    queries: _Count
    estimate: Estimate
    reference: float | None = None


class Slices(_Part):
    """The slices in which a metric is worst.

    Attributes:
        metric: Name of the metric.
        overall: Its value over all queries.
        worst: The worst slices, worst first.
    """

    metric: _Short
    overall: float
    worst: list[Slice]


class ReportData(_Part):
    """Everything that a page shows.

    Attributes:
        format: Always ``quaterion-report``.
        format_version: 1.
        title: Name of the model.
        created: When it was evaluated, as ISO 8601.
        split: The split that it was evaluated on.
        queries: Number of queries.
        candidates: Number of objects that each query searches.
        systems: The model first, then what it is compared with.
        reference: Key of the system that the gallery compares with; ``None`` for none.
        metrics: Metrics of all systems.
        run: The training run; ``None`` if the model was not fitted from a recipe.
        notes: What a reader has to know about the figures.
        objects: Text of each object of the map, the hubs and the gallery.
        group_names: Names of the groups, the largest first.
        groups: Number of the group of each object; -1 for none.
        are_roles: Whether the groups are roles of objects, queries and documents, for pairs
            without subgroups.
        map_method: How the map was drawn, such as ``PCA``.
        sprites: Thumbnails of objects that are images.
        slices: The worst slices.
        gallery: Queries with what is found for them.
    """

    format: Literal["quaterion-report"] = "quaterion-report"
    format_version: Literal[1] = 1
    title: _Short
    created: _Short
    split: _Short
    queries: _Count
    candidates: _Count
    systems: Annotated[list[System], Field(min_length=1, max_length=3)]
    reference: SystemKey | None = None
    metrics: list[Metric] = []
    run: Run | None = None
    notes: list[_Text] = []
    objects: list[_Short] = Field(default=[], max_length=2 * MOST_OBJECTS)
    group_names: list[_Short] = []
    groups: list[int] = []
    are_roles: bool = False
    map_method: _Short = "PCA"
    sprites: list[Sprite] = []
    slices: Slices | None = None
    gallery: list[Query] = []

    @property
    def names(self) -> Mapping[str, str]:
        """Name of each system by key."""
        return {system.key: system.name for system in self.systems}

    def to_json(self) -> str:
        """Return the data as JSON."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str | bytes) -> ReportData:
        """Check data and return them.

        Raises:
            ValueError: The text is not JSON, or not the data of a page.
        """
        return cls.model_validate_json(text)

    @model_validator(mode="after")
    def _check_numbers(self) -> ReportData:
        """Check that numbers of objects, groups and systems refer to what is there."""
        numbers = [number for sprite in self.sprites for number in sprite.objects]
        for system in self.systems:
            if len(system.x) != len(system.y) or len(system.x) > len(self.objects):
                raise ValueError(f"the map of {system.key!r} does not fit the objects")
            numbers += [hub.object for hub in (system.hubness.hubs if system.hubness else ())]
        for query in self.gallery:
            found = [n.object for part in query.found.values() for n in part.neighbors]
            numbers += [query.object, *found, *(() if query.expected is None else [query.expected])]
        if max(numbers, default=-1) >= len(self.objects):
            raise ValueError(f"object {max(numbers)} is not among {len(self.objects)} objects")
        if self.groups and max(self.groups) >= len(self.group_names):
            raise ValueError(f"group {max(self.groups)} has no name")
        keys = set(self.names)
        used = {key for query in self.gallery for key in query.found}
        used |= {key for metric in self.metrics for key in (*metric.values, *metric.differences)}
        if not used <= keys or (self.reference or self.systems[0].key) not in keys:
            raise ValueError(f"figures of {sorted(used - keys)} refer to no system")
        return self
