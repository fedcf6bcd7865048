"""Components as data: their kinds, declarations of plugins, and records of the registry."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

CORE: Final = "quaterion-core"
"""Distribution of core's own components."""

LOCAL: Final = "local"
"""Stands for the distribution of classes registered in this process."""

_WORD: Final = r"[a-z0-9]+(?:-[a-z0-9]+)*"
_NAME: Final = re.compile(_WORD)
_ID: Final = re.compile(f"{_WORD}/{_WORD}")


class ComponentKind(str, Enum):
    """The kinds of component that a plugin can bring: the table from which all else follows.

    A row has the kind, its plural, and the base class, ``"package.module:Class"``, which is
    imported only where a component is checked. The names of the hook and of the decorator, ids,
    listings, suggestions and checks of the interface follow from it.

    Attributes:
        plural: The plural, in words.
        base: The class that components of the kind derive from.

    Example:
        >>> kind = ComponentKind("batch-sampler")
        >>> kind.noun, kind.plural, kind.hook, kind.decorator
        ('batch sampler', 'batch samplers', 'quaterion_batch_samplers', 'register_batch_sampler')
    """

    _value_: str
    plural: str
    base: str

    ENCODER = "encoder", "encoders", "quaterion_core.encoders.encoder:Encoder"
    HEAD = "head", "heads", "quaterion_core.heads.encoder_head:EncoderHead"
    LOSS = "loss", "losses", "quaterion_core.loss.similarity_loss:SimilarityLoss"
    METRIC = "metric", "metrics", "quaterion_core.eval.base_metric:BaseMetric"
    DATASET = "dataset", "datasets", "quaterion_core.dataset.split_dataset:SplitDataset"
    OPTIMIZER = "optimizer", "optimizers", "torch.optim.optimizer:Optimizer"
    SCHEDULE = "schedule", "schedules", "quaterion_core.train.schedules:Decay"
    BATCH_SAMPLER = (
        "batch-sampler",
        "batch samplers",
        "quaterion_core.dataset.batch_samplers.batch_sampler:BatchSampler",
    )
    CALLBACK = "callback", "callbacks", "pytorch_lightning.callbacks.callback:Callback"
    LOGGER = "logger", "loggers", "pytorch_lightning.loggers.logger:Logger"
    AUGMENTATION = "augmentation", "augmentations", "torch.nn.modules.module:Module"
    STORE = "store", "stores", "quaterion_core.serving.stores.store:Store"
    COMMAND = "command", "commands", "click.core:Command"

    def __new__(cls, value: str, plural: str = "", base: str = "") -> ComponentKind:
        """Make a kind from its row of the table."""
        kind = str.__new__(cls, value)
        kind._value_ = value
        kind.plural = plural
        kind.base = base
        return kind

    @property
    def noun(self) -> str:
        """The kind in words, such as ``batch sampler``."""
        return str(self.value).replace("-", " ")

    @property
    def hook(self) -> str:
        """The hook that declares components of the kind, such as ``quaterion_losses``."""
        return f"quaterion_{self.plural.replace(' ', '_')}"

    @property
    def decorator(self) -> str:
        """The decorator that registers a class of this process, such as ``register_loss``."""
        return f"register_{self.value.replace('-', '_')}"

    @property
    def is_class(self) -> bool:
        """Whether components of the kind are classes; a command is an object."""
        return self is not ComponentKind.COMMAND

    @classmethod
    def _missing_(cls, value: object) -> ComponentKind:
        kinds = ", ".join(kind.value for kind in cls)
        raise ValueError(f"{value!r} is no kind of component; the kinds are {kinds}")


@dataclass(frozen=True, slots=True)
class Component:
    """Declaration of a component that needs an extra or had other ids before.

    A component that was renamed, or that moved to another distribution, keeps its former ids: saved
    models, recipes and programs that name one of them still find it. An id of the same distribution
    is honoured unless a component of that id is declared; an id of another distribution only while
    that distribution is not installed or does not declare such a component itself. An id of another
    distribution that is disabled or broken is never taken over, and neither is one that two
    distributions claim.

    Args:
        target: Where the class is, ``"package.module:Class"``.
        extra: The extra of the plugin's distribution that the class needs.
        former_ids: Ids that the component had before, ``"distribution/name"``.
        summary: What it is, in one line. ``quaterion --help`` shows that of a command, which is
            not imported for it.

    Example:
        >>> Component("acme.encoders.fasttext:FasttextEncoder", extra="fasttext").extra
        'fasttext'
        >>> Component("acme.losses.proxy:ProxyLoss", former_ids=("acme/proxies",)).former_ids
        ('acme/proxies',)
    """

    target: str
    extra: str | None = None
    former_ids: tuple[str, ...] = ()
    summary: str = ""


@dataclass(frozen=True, slots=True)
class ComponentRecord:
    """A component and its origin.

    Attributes:
        kind: What it is.
        id: Its canonical id, ``"distribution/name"``.
        target: Where the class is, ``"package.module:Class"``.
        extra: The optional extra of the distribution that the class needs, if any.
        distribution: Its distribution, with the name normalised by PEP 503.
        version: The installed version of the distribution; ``None`` if unknown.
        entry_point: The entry point that declared it, ``"name = module"``; ``None`` for core's
            own components and for classes registered in this process.
        former_ids: Ids that it had before it was renamed or moved; see :class:`Component`.
        summary: What it is, in one line, where its plugin says so.
    """

    kind: ComponentKind
    id: str
    target: str
    extra: str | None
    distribution: str
    version: str | None
    entry_point: str | None
    former_ids: tuple[str, ...] = ()
    summary: str = ""

    @property
    def name(self) -> str:
        """The short name: the id without the distribution."""
        return name_of(self.id)


def canonical_id(distribution: str, name: str) -> str:
    """Join the normalised name of a distribution and the local name of a component."""
    return f"{distribution}/{name}"


def distribution_of(id_: str) -> str:
    """Return the distribution that an id names.

    Example:
        >>> distribution_of("quaterion-core/triplet")
        'quaterion-core'
    """
    return id_.partition("/")[0]


def name_of(id_: str) -> str:
    """Return the short name of an id.

    Example:
        >>> name_of("quaterion-core/triplet")
        'triplet'
    """
    return id_.partition("/")[2]


def is_name(text: str) -> bool:
    """Whether a text has the form of a short name: lower-case words joined by hyphens.

    Example:
        >>> is_name("linear-projection"), is_name("LinearProjection"), is_name("a--b")
        (True, False, False)
    """
    return _NAME.fullmatch(text) is not None


def is_id(text: str) -> bool:
    """Whether a text has the form of a canonical id, ``distribution/name``.

    Example:
        >>> is_id("quaterion-core/triplet"), is_id("triplet"), is_id("../core/triplet")
        (True, False, False)
    """
    return _ID.fullmatch(text) is not None


def is_target(text: str) -> bool:
    """Whether a text has the form of a target, ``package.module:Class``.

    Example:
        >>> is_target("acme.encoders:Encoder"), is_target("acme.encoders"), is_target(".a:B")
        (True, False, False)
    """
    module, separator, qualname = text.partition(":")
    names = [*module.split("."), *qualname.split(".")]
    return bool(separator) and all(name.isidentifier() for name in names)


def normalize(distribution: str) -> str:
    """Normalise the name of a distribution by PEP 503.

    Example:
        >>> normalize("Quaterion_NLP")
        'quaterion-nlp'
    """
    return re.sub(r"[-_.]+", "-", distribution).lower()
