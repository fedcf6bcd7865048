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
    """The kinds of component that a plugin can bring.

    Example:
        >>> ComponentKind("loss").plural
        'losses'
    """

    ENCODER = "encoder"
    HEAD = "head"
    LOSS = "loss"
    METRIC = "metric"
    DATASET = "dataset"

    @property
    def plural(self) -> str:
        """Plural of the kind; ``quaterion_<plural>`` is the hook that declares components of it."""
        return "losses" if self is ComponentKind.LOSS else f"{self.value}s"

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

    Example:
        >>> Component("acme.encoders.fasttext:FasttextEncoder", extra="fasttext").extra
        'fasttext'
        >>> Component("acme.losses.proxy:ProxyLoss", former_ids=("acme/proxies",)).former_ids
        ('acme/proxies',)
    """

    target: str
    extra: str | None = None
    former_ids: tuple[str, ...] = ()


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
    """

    kind: ComponentKind
    id: str
    target: str
    extra: str | None
    distribution: str
    version: str | None
    entry_point: str | None
    former_ids: tuple[str, ...] = ()

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
