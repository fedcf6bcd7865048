"""Files of a new plugin: templates and their values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final

from quaterion_core.plugins import API_VERSION, ComponentKind

_TEMPLATES: Final = Path(__file__).with_name("templates")
_SUFFIX: Final = ".template"
"""Keeps Python and its tools from treating the templates as modules."""


@dataclass(frozen=True, slots=True)
class ExampleComponent:
    """Example component of one kind in a new plugin.

    Attributes:
        name: Its short name.
        target: Module and class, without the package.
        summary: Its description in a few words.
        recipe: Line of a recipe that selects it, with ``{id}`` for its id.
        example: Its entry for the conformance tests; empty if it can be built without one.
    """

    name: str
    target: str
    summary: str
    recipe: str
    example: str = ""


EXAMPLES: Final = {
    ComponentKind.ENCODER: ExampleComponent(
        "hashed-words",
        "hashed_words:HashedWordsEncoder",
        "texts as the mean of their words, without a vocabulary",
        "encoder: {{name: {id}, embedding_size: 64}}",
        """\
        "hashed-words": Example(
            arguments={"rows": 100, "embedding_size": 8},
            objects=["wake me at seven", "play some music"],
            odd_objects=["", "?!"],
        ),
""",
    ),
    ComponentKind.HEAD: ExampleComponent(
        "bottleneck",
        "bottleneck_head:BottleneckHead",
        "short embeddings of unit length",
        "head: {{name: {id}, bottleneck_size: 16}}",
        """\
        "bottleneck": Example(arguments={"bottleneck_size": 3}),
""",
    ),
    ComponentKind.LOSS: ExampleComponent(
        "neighbourhood",
        "neighbourhood_loss:NeighbourhoodLoss",
        "neighbourhood components analysis over groups",
        "loss: {{name: {id}, temperature: 0.2}}",
        """\
        "neighbourhood": Example(arguments={"temperature": 0.5}),
""",
    ),
    ComponentKind.METRIC: ExampleComponent(
        "success-at-k",
        "success_at_k:SuccessAtK",
        "share of queries with a relevant object among the k nearest",
        "metrics: [{{name: {id}, k: 3}}]",
        """\
        "success-at-k": Example(arguments={"k": 3}),
""",
    ),
    ComponentKind.DATASET: ExampleComponent(
        "intents",
        "intents:IntentsDataset",
        "a few phrases in four groups, for a first try",
        "data: {id}",
    ),
}

_RECIPE_ORDER: Final = (
    ComponentKind.DATASET,
    ComponentKind.ENCODER,
    ComponentKind.HEAD,
    ComponentKind.LOSS,
    ComponentKind.METRIC,
)


def plugin_files(
    distribution: str, kinds: Sequence[ComponentKind], core_version: str
) -> Iterator[tuple[str, str]]:
    """Generate the files of a new plugin.

    Args:
        distribution: Its name, lower-case words joined by hyphens.
        kinds: The kinds of component to give examples of.
        core_version: Version of quaterion-core that it is written for.

    Yields:
        The path of each file, with slashes, and its content.
    """
    values = _values(distribution, kinds, core_version)
    for name in ("common", *(kind.value for kind in kinds)):
        folder = _TEMPLATES / name
        for file in sorted(folder.rglob(f"*{_SUFFIX}")):
            path = file.relative_to(folder).as_posix().removesuffix(_SUFFIX)
            path = path.replace("package", values["package"]).replace("dot_", ".")
            yield path, Template(file.read_text(encoding="utf-8")).substitute(values)


def package_of(distribution: str) -> str:
    """Return the name of the package of a distribution.

    Example:
        >>> package_of("acme-similarity")
        'acme_similarity'
    """
    return distribution.replace("-", "_")


def core_versions(version: str) -> str:
    """Return the versions of quaterion-core that a plugin written for one version supports.

    Before version 1, each minor version may break plugins; afterwards, only major versions may.

    Example:
        >>> core_versions("0.2.1"), core_versions("1.4.0")
        ('>=0.2.1,<0.3', '>=1.4.0,<2')
    """
    major, minor, *_ = version.split(".")
    return f">={version},<0.{int(minor) + 1}" if major == "0" else f">={version},<{int(major) + 1}"


def _values(distribution: str, kinds: Sequence[ComponentKind], core_version: str) -> dict[str, str]:
    package = package_of(distribution)
    chosen = {kind: EXAMPLES[kind] for kind in kinds}
    plurals = [kind.plural for kind in kinds]
    listed = " and ".join(filter(None, (", ".join(plurals[:-1]), plurals[-1])))
    examples = "".join(example.example for example in chosen.values())
    recipe = [
        chosen[kind].recipe.format(id=f"{distribution}/{chosen[kind].name}")
        for kind in _RECIPE_ORDER
        if kind in chosen
    ]
    return {
        "api": str(API_VERSION),
        "core_versions": core_versions(core_version),
        "description": f"{listed.capitalize()} for Quaterion",
        "distribution": distribution,
        "conformance_imports": "Example, conformance_tests" if examples else "conformance_tests",
        "examples": f"{{\n{examples}    }}" if examples else "{}",
        "first_name": next(iter(chosen.values())).name,
        "hooks": "".join(_hook(kind, package, example) for kind, example in chosen.items()),
        "package": package,
        "recipe": "\n".join(recipe),
        "table": "\n".join(
            f"| {kind.value} | `{example.name}` | {example.summary} |"
            for kind, example in chosen.items()
        ),
    }


def _hook(kind: ComponentKind, package: str, example: ExampleComponent) -> str:
    return f'''

@hookimpl
def {kind.hook}() -> dict[str, str]:
    """Declare the {kind.plural}."""
    return {{"{example.name}": "{package}.{example.target}"}}
'''
