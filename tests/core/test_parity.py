"""Every name and every argument of Quaterion 0.1.35 is there, under the renamed module path."""

from __future__ import annotations

import dataclasses
import enum
import importlib
import inspect
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from quaterion_core.distances import Distance
from quaterion_core.train.cache import CacheType
from quaterion_core.train.xbm import XbmDevice

LISTING = Path(__file__).parents[3] / "shared" / "quaterion_api.md"

# What is deliberately gone; docs/migration.md says why, name by name.
GONE = {
    # The cache numbers distinct objects in a table: loaders need no salt, no second mode in
    # which they yield hashes, and no separate cache of labels.
    "quaterion.dataset.similarity_data_loader.SimilarityDataLoader.full_cache_used",
    "quaterion.dataset.similarity_data_loader.SimilarityDataLoader.set_salt",
    "quaterion.dataset.similarity_data_loader.SimilarityDataLoader.set_skip_read",
    "quaterion.dataset.similarity_data_loader.SimilarityDataLoader.set_label_cache_mode",
    "quaterion.dataset.similarity_data_loader.SimilarityDataLoader.save_label_cache",
    "quaterion.dataset.similarity_data_loader.SimilarityDataLoader.load_label_cache",
    # Encoders are not wrapped while they are cached.
    "quaterion.train.cache.CacheEncoder",
    "quaterion.train.cache.InMemoryCacheEncoder",
    # The collator collates for all encoders at once, and never by the id of a cached object.
    "quaterion.dataset.train_collator.TrainCollator.pre_encoder_collate",
    "quaterion.dataset.train_collator.TrainCollator.process_meta",
}

# Hooks that Lightning calls by position, with its own argument names.
CALLED_BY_POSITION = "quaterion.train.callbacks.metrics_callback.MetricsCallback.on_"

# Defaults that differ, as (name, argument).
OTHER_DEFAULTS = {
    # Lightning's own defaults, which differ between its versions.
    ("quaterion.utils.progress_bar.QuaterionProgressBar.__init__", "refresh_rate"),
    ("quaterion.utils.progress_bar.QuaterionProgressBar.__init__", "theme"),
    # 0 put every pair into one subgroup; None states nothing.
    ("quaterion.dataset.similarity_samples.SimilarityPairSample", "subgroup"),
}


class Listed(NamedTuple):
    """A line of the listing: ``kind`` is module, name, class, function, member or value."""

    kind: str
    module: str
    path: str
    text: str = ""

    @property
    def full_name(self) -> str:
        return ".".join(filter(None, (self.module, self.path)))


def read_listing(text: str) -> list[Listed]:
    """Read the section "Signatures", without what is marked internal."""
    entries: list[Listed] = []
    module = owner = ""
    for line in text.split("## Signatures")[1].split("\n## ")[0].splitlines():
        if line.startswith("### "):
            module = line[4:].strip()
            entries.append(Listed("module", module, ""))
        elif line.startswith("- re-exports "):
            names = line.removeprefix("- re-exports ").split(", ")
            entries += [Listed("name", module, name) for name in names]
        elif line.startswith("- class "):
            owner = re.split(r"\W", line.removeprefix("- class "))[0]
            entries.append(Listed("class", module, owner))
        elif line.startswith("- def "):
            signature = line.removeprefix("- def ")
            entries.append(Listed("function", module, signature.split("(")[0], signature))
        elif line.startswith("- "):
            name, value = line[2:].split(" = ")
            entries.append(Listed("value", module, name, value))
        elif line.startswith("  - ") and not line.startswith("  - (internal)"):
            entries.append(read_member(module, owner, line[4:]))
    return entries


def read_member(module: str, owner: str, line: str) -> Listed:
    words = re.sub(r"^(classmethod|staticmethod) ", "", line)
    if words.startswith("property "):
        return Listed("member", module, f"{owner}.{words.removeprefix('property ')}")
    if re.match(r"\w+\(", words):
        return Listed("function", module, f"{owner}.{words.split('(')[0]}", words)
    if re.match(r"\w+: ", words):
        return Listed("field", module, f"{owner}.{words.split(':')[0]}", words)
    name, value = words.split(" = ")
    return Listed("value", module, f"{owner}.{name}", value)


def listed() -> list[Listed]:
    if not LISTING.is_file():
        return []
    entries = read_listing(LISTING.read_text(encoding="utf-8"))
    return [entry for entry in entries if entry.full_name not in GONE]


def cases(*kinds: str) -> list[Any]:
    found = [entry for entry in listed() if entry.kind in kinds]
    if not found:
        return [pytest.param(None, marks=pytest.mark.skip("the listing is not here"))]
    return [pytest.param(entry, id=entry.full_name, marks=needs(entry)) for entry in found]


def needs(entry: Listed) -> tuple[pytest.MarkDecorator, ...]:
    """Skip what comes from a plugin's extra where that is not installed."""
    if not entry.path or "fasttext" not in entry.module or find_spec("gensim"):
        return ()
    return (pytest.mark.skip("gensim is not installed"),)


def module_of(entry: Listed) -> Any:
    renamed = re.sub(r"^(quaterion_models|quaterion)\b", "quaterion_core", entry.module)
    return importlib.import_module(renamed)


def find(entry: Listed) -> Any:
    value = module_of(entry)
    for name in entry.path.split("."):
        value = getattr(value, name)
    return value


def evaluate(source: str, name: str) -> Any:
    """Run a line of the listing and return what it calls ``name``."""
    names: dict[str, Any] = {
        "torch": torch, "Distance": Distance, "CacheType": CacheType, "XbmDevice": XbmDevice
    }  # fmt: skip
    exec(f"from __future__ import annotations\n{source}", names)
    return names[name]


def old_parameters(entry: Listed) -> dict[str, inspect.Parameter]:
    function = evaluate(f"def {entry.text}: ...", entry.path.split(".")[-1])
    return dict(inspect.signature(function).parameters)


def is_method_of_instances(entry: Listed) -> bool:
    owner, _, name = entry.path.rpartition(".")
    if not owner:
        return False
    static = inspect.getattr_static(find(entry._replace(path=owner)), name)
    return not isinstance(static, (classmethod, staticmethod))


def bind(entry: Listed, names: list[str]) -> dict[str, str]:
    """Call our function with these old arguments; return what each of ours received."""
    old = old_parameters(entry)
    positional = ["self"] if is_method_of_instances(entry) else []
    positional += [
        name for name in names if old[name].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    ]
    keywords = {name: name for name in names if old[name].kind is inspect.Parameter.KEYWORD_ONLY}
    bound = (
        inspect.signature(find(entry), follow_wrapped=False).bind(*positional, **keywords).arguments
    )
    return {name: value for name, value in bound.items() if name != "self"}


@pytest.mark.parametrize("entry", cases("module"))
def test_the_module_can_be_imported(entry):
    module_of(entry)


@pytest.mark.parametrize("entry", cases("name", "class", "member"))
def test_the_name_is_there(entry):
    find(entry)


@pytest.mark.parametrize("entry", cases("function"))
def test_every_old_argument_is_accepted_by_name_and_by_position(entry):
    names = [
        name
        for name, parameter in old_parameters(entry).items()
        if parameter.kind not in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    ]
    bound = bind(entry, names)
    assert list(bound.values()) == names
    if not entry.full_name.startswith(CALLED_BY_POSITION):
        assert list(bound) == names


@pytest.mark.parametrize("entry", cases("function"))
def test_no_argument_is_newly_required(entry):
    required = [
        name
        for name, parameter in old_parameters(entry).items()
        if parameter.default is inspect.Parameter.empty
        and parameter.kind not in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    ]
    bind(entry, required)


@pytest.mark.parametrize("entry", cases("function"))
def test_defaults_are_what_they_were(entry):
    ours = inspect.signature(find(entry), follow_wrapped=False).parameters
    old = {
        name: parameter.default
        for name, parameter in old_parameters(entry).items()
        if parameter.default is not inspect.Parameter.empty
        and (entry.full_name, name) not in OTHER_DEFAULTS
    }
    assert {name: ours[name].default for name in old} == old


@pytest.mark.parametrize("entry", cases("field"))
def test_a_field_keeps_its_name_and_its_default(entry):
    owner, name = entry.path.split(".")
    fields = {field.name: field for field in dataclasses.fields(find(entry._replace(path=owner)))}
    default = entry.text.partition(" = ")[2]
    if default and "default_factory" not in default:
        if (f"{entry.module}.{owner}", name) in OTHER_DEFAULTS:
            return
        assert fields[name].default == evaluate(f"default = {default}", "default")
    else:
        assert name in fields


@pytest.mark.parametrize("entry", cases("value"))
def test_a_constant_is_there_with_its_value(entry):
    ours = find(entry)
    if entry.text.startswith(("'", "[")):
        value = ours.value if isinstance(ours, enum.Enum) else ours
        assert value == evaluate(f"value = {entry.text}", "value")
