"""Files of a new plugin: templates and their values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
        recipe: Line of a recipe that selects it, with ``{id}`` for its id; empty for a command.
        example: Its entry for the conformance tests; empty if it can be built without one.
        requires: Requirement of the plugin on another package for it; empty if there is none.
    """

    name: str
    target: str
    summary: str
    recipe: str = ""
    example: str = ""
    requires: str = ""


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
    ComponentKind.OPTIMIZER: ExampleComponent(
        "signum",
        "signum:Signum",
        "steps along the sign of the momentum",
        "optimizer: {{name: {id}, lr: 0.003}}",
    ),
    ComponentKind.SCHEDULE: ExampleComponent(
        "polynomial",
        "polynomial_decay:PolynomialDecay",
        "a learning rate that falls as a power of the remaining steps",
        "schedule: {{name: {id}, power: 2, warm_up: 0.1}}",
    ),
    ComponentKind.BATCH_SAMPLER: ExampleComponent(
        "blocks",
        "block_batch_sampler:BlockBatchSampler",
        "batches of samples that lie next to each other in the data",
        "batch_sampler: {{name: {id}, block_size: 4}}",
    ),
    ComponentKind.LOGGER: ExampleComponent(
        "json-lines",
        "json_lines_logger:JsonLinesLogger",
        "logs of a run as JSON lines, beside the model",
        "logger: {id}",
        requires="pytorch-lightning>=2.4",
    ),
    ComponentKind.CALLBACK: ExampleComponent(
        "gradient-norm",
        "gradient_norm:GradientNorm",
        "the norm of the gradient in the logs",
        "callbacks: [{{name: {id}, every: 1}}]",
        requires="pytorch-lightning>=2.4",
    ),
    ComponentKind.AUGMENTATION: ExampleComponent(
        "darken",
        "darken:Darken",
        "images that are darkened at random",
        example="""\
        "darken": Example(arguments={"strength": 0.3}),
""",
        requires="pillow>=10",
    ),
    ComponentKind.STORE: ExampleComponent(
        "json-file",
        "json_file_store:JsonFileStore",
        "vectors and payloads in one JSON file, for a few thousand objects",
        requires="numpy>=1.24",
    ),
    ComponentKind.COMMAND: ExampleComponent(
        "model-size",
        "model_size_command:model_size",
        "print the number of weights of a saved model",
        requires="click>=8.1",
    ),
}

_RECIPE_ORDER: Final = (
    ComponentKind.DATASET,
    ComponentKind.ENCODER,
    ComponentKind.HEAD,
    ComponentKind.LOSS,
    ComponentKind.METRIC,
    ComponentKind.OPTIMIZER,
    ComponentKind.SCHEDULE,
    ComponentKind.BATCH_SAMPLER,
)
_MOST_LISTED: Final = 5
"""The largest number of kinds that the description of a plugin lists."""

_OF_TRAINER: Final = (ComponentKind.LOGGER, ComponentKind.CALLBACK)


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
    if len(plurals) > _MOST_LISTED:
        listed = "components"
    examples = "".join(example.example for example in chosen.values())
    lines = {
        kind: example.recipe.format(id=f"{distribution}/{example.name}")
        for kind, example in chosen.items()
    }
    recipe = [lines[kind] for kind in _RECIPE_ORDER if kind in lines]
    if of_trainer := [lines[kind] for kind in _OF_TRAINER if kind in lines]:
        recipe.append(f"trainer: {{{', '.join(of_trainer)}}}")
    requirements = sorted({example.requires for example in chosen.values()} - {""})
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
        "plugin_imports": (
            "Component, hookimpl" if ComponentKind.COMMAND in chosen else "hookimpl"
        ),
        "requirements": "".join(f'  "{requirement}",\n' for requirement in requirements),
        "usage": _usage(recipe, chosen),
        "table": "\n".join(
            f"| {kind.value} | `{example.name}` | {example.summary} |"
            for kind, example in chosen.items()
        ),
    }


def _usage(
    recipe: Sequence[str],
    chosen: Mapping[ComponentKind, ExampleComponent],
) -> str:
    """Return the part of the README on the use of the components."""
    parts = []
    if recipe:
        lines = "\n".join(recipe)
        parts.append(f"Recipes refer to components by name:\n\n```yaml\n{lines}\n```")
    if command := chosen.get(ComponentKind.COMMAND):
        called = f"```bash\nquaterion {command.name} my_model\n```"
        parts.append(f"`quaterion --help` lists the command:\n\n{called}")
    return "\n\n".join(parts)


def _hook(kind: ComponentKind, package: str, example: ExampleComponent) -> str:
    target = f'"{package}.{example.target}"'
    value, declared = "str", f'{{"{example.name}": {target}}}'
    if kind is ComponentKind.COMMAND:
        summary = f"{example.summary[0].upper()}{example.summary[1:]}."
        value = "Component"
        declared = f"""{{
        "{example.name}": Component(
            {target},
            summary="{summary}",
        )
    }}"""
    return f'''

@hookimpl
def {kind.hook}() -> dict[str, {value}]:
    """Declare the {kind.plural}."""
    return {declared}
'''
