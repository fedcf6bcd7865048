"""The faults of a recipe that are found without importing torch, in a fraction of a second.

What the constructors of components check, the trainer, the device and the output folder are left to
:func:`~quaterion_core.recipe.check_recipe`, which takes seconds for its imports.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from quaterion_core.components import (
    Argument,
    Fault,
    argument_faults,
    declared_arguments,
    named_record,
    split_choice,
    type_in_words,
)
from quaterion_core.plugins import PluginError, registry
from quaterion_core.plugins.records import CORE
from quaterion_core.recipe.faults import Faults
from quaterion_core.recipe.reading import RecipeLike, check_settings, open_recipe
from quaterion_core.recipe.settings import (
    NOT_OF_A_LOADER,
    PARTS_OF_TRAINING,
    PROVIDED,
    Recipe,
    component_choices,
    trainer_choices,
)
from quaterion_core.storage.input_files import check_is_file

_LOADER: Final = "torch.utils.data.dataloader:DataLoader"
_TRAINER: Final = "pytorch_lightning.trainer.trainer:Trainer"


def check_early(recipe: RecipeLike) -> None:
    """Check the keys, names, arguments and files of a recipe without importing its components.

    The signatures of components are read from their source.

    Raises:
        RecipeError: The recipe has such faults; the message lists all of them.
    """
    source = open_recipe(recipe)
    settings, found = check_settings(source)
    faults = Faults()
    faults.add(found)
    wrong = {fault.place[0] for fault in found if len(fault.place) == 1}
    content = {key: value for key, value in source.content.items() if key not in wrong}
    for place, kind, choice in component_choices(content):
        faults.add(_component_faults(kind, choice, place))
    for key, kind in PARTS_OF_TRAINING.items():
        if content.get(key) is not None:
            faults.add(_part_of_training_faults(key, kind, content[key]))
    for key, owner, target in (
        ("loader", "The data loader", _LOADER),
        ("trainer", "The trainer", _TRAINER),
    ):
        known, given = declared_arguments(target), content.get(key)
        if known is not None and isinstance(given, Mapping):
            left_out = NOT_OF_A_LOADER if key == "loader" else ()
            known = {name: argument for name, argument in known.items() if name not in left_out}
            faults.add(argument_faults(owner, known, given, (key,)))
    for place, kind, choice in trainer_choices(content.get("trainer") or {}):
        with faults.at(*place):
            named_record(kind, split_choice(kind, choice)[0])
    if "data" not in faults.keys:
        _check_files(settings, faults)
    if faults.found:
        raise source.error(faults.found)


def _component_faults(kind: str, choice: Any, place: tuple[str | int, ...]) -> Iterator[Fault]:
    """Yield the faults in the name and the arguments of a component."""
    try:
        name, given = split_choice(kind, choice)
        record = registry.find(kind, name)
    except (PluginError, TypeError) as error:
        yield Fault(place, str(error))
        return
    known = declared_arguments(record.target)
    if known is None:
        return
    subject = f"The {kind} {name!r}"
    yield from argument_faults(subject, known, given, place)
    for key, argument in known.items():
        if argument.is_required and key not in {*given, *PROVIDED}:
            expected = type_in_words(argument.annotation)
            yield Fault(place, f"{subject} needs {key!r}: expected {expected}.")


def _part_of_training_faults(key: str, kind: str, choice: Any) -> Iterator[Fault]:
    """Yield the faults of an optimizer, a schedule or a batch sampler."""
    noun = kind.replace("-", " ")
    try:
        name, given = split_choice(noun, choice)
        record = named_record(kind, name)
    except (PluginError, TypeError, ValueError) as error:
        yield Fault((key,), str(error), ValueError)
        return
    known = declared_arguments(record.target)
    if known is None:
        return
    if kind == "optimizer":  # its parameters are set by the training run
        _, *arguments = known.items()
        known = dict(arguments)
        given.pop("parts", None)
    elif kind == "schedule":
        known = {"warm_up": Argument("warm_up", Any), **known}
    yield from argument_faults(f"The {noun} {name!r}", known, given, (key,))


def _check_files(recipe: Recipe, faults: Faults) -> None:
    """Find files of core's readers that do not exist."""
    name, given = split_choice("dataset", recipe.data)
    files = given.get("files")
    if registry.find("dataset", name).distribution != CORE or not isinstance(files, Mapping):
        return
    used = (recipe.splits.train, recipe.splits.validation, recipe.splits.reference)
    for split in dict.fromkeys(used):
        paths = files.get(split, [])
        for path in paths if isinstance(paths, (list, tuple)) else [paths]:
            if isinstance(path, str) and not any(wildcard in path for wildcard in "*?["):
                with faults.at("data"):
                    full = recipe.folder / Path(path).expanduser()
                    check_is_file(full, f"The file of the split {split!r}")
