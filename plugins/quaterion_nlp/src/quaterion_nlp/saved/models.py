"""A whole sentence-transformers model in a saved folder."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import torch
from pydantic import Field
from safetensors import SafetensorError
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling
from torch import nn

from quaterion_core.storage import (
    InvalidFolderError,
    NotSavableError,
    NotWritableError,
    SavedFolder,
    check_finite,
    is_panic,
    open_saved_folder,
    parse_json,
)
from quaterion_nlp.progress_bars import without_progress_bars
from quaterion_nlp.saved.modules import KINDS, find_kind
from quaterion_nlp.saved.schemas import Schema, Size, Text, check, describe, explained
from quaterion_nlp.saved.transformer import CHAT_TEMPLATE_FILE, SETTINGS_FILE
from quaterion_nlp.saved.transformers_files import (
    MODEL_CONFIG_FILE,
    TOKENIZER_CONFIG_FILE,
    config_class_of,
    known_config,
    known_tokenizer_config,
)

MODULES_FILE: Final = "modules.json"
MODEL_FILE: Final = "config_sentence_transformers.json"

_MOST_MODULES: Final = 32
_MANY_WORDS: Final = 2000
_DEFAULT_PROMPT: Final = "default"
_MODULE_NAME: Final = re.compile(r"[A-Za-z0-9_]{1,60}")


class _Module(Schema):
    idx: int
    name: str
    path: str
    type: str
    kwargs: list[str] = Field(default_factory=list)


class _Modules(Schema):
    modules: list[_Module] = Field(min_length=1, max_length=_MOST_MODULES)


class _Versions(Schema):
    sentence_transformers: str = Field(max_length=50)
    transformers: str = Field(max_length=50)
    pytorch: str = Field(max_length=50)


class _Model(Schema):
    model_type: Literal["SentenceTransformer"]
    versions: Annotated[_Versions, Field(alias="__version__")]
    prompts: dict[str, Text | None]
    default_prompt_name: Text | None
    similarity_fn_name: Literal["cosine", "dot", "euclidean", "manhattan"] | None
    truncate_dim: Size | None = None


def read_sentence_transformer(folder: SavedFolder) -> SentenceTransformer:
    """Build a model from a folder that :func:`write_sentence_transformer` filled.

    All files are checked before anything is built: which there are, and what each holds.

    Raises:
        InvalidFolderError: The folder holds something else than is saved.
    """
    source = str(folder.path / MODEL_FILE)
    config = check(_Model, folder.read_json(MODEL_FILE), source)
    listed = _check_files(folder)
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    for module, place in listed:
        kind = find_kind(module.type, str(folder.path / MODULES_FILE))[1]
        modules[module.name] = kind.read(place)
    with explained(source):
        model = SentenceTransformer(
            modules=modules,  # type: ignore[arg-type]  # an ordered dictionary is one of both
            device="cpu",
            prompts=config.prompts,  # type: ignore[arg-type]  # None stands for no prompt
            default_prompt_name=config.default_prompt_name,
            similarity_fn_name=config.similarity_fn_name,
            truncate_dim=config.truncate_dim,
        )
    model.module_kwargs = OrderedDict((module.name, module.kwargs) for module, _ in listed)
    _check_sizes(model, str(folder.path))
    _try(model, str(folder.path))
    return model


def _check_sizes(model: SentenceTransformer, source: str) -> None:
    """Refuse a pooling of another size than that of the tokens that it pools."""
    modules = list(model)
    for before, module in pairwise(modules):
        size = getattr(before, "get_embedding_dimension", lambda: None)()
        if isinstance(module, Pooling) and size not in (None, module.embedding_dimension):
            raise InvalidFolderError(
                f"{source} pools embeddings of size {module.embedding_dimension}, but those of its "
                f"{type(before).__name__} are of size {size}."
            )


def _try(model: SentenceTransformer, source: str) -> None:
    """Embed short texts, so that modules that do not fit one another are found at once.

    A long one is among them if the model sets how texts are cut off, which could be too late.
    """
    texts = ["", "Hello, \U0001f44b!"]
    if any(getattr(module, "processing_kwargs", None) for module in model):
        texts.append("hello " * _MANY_WORDS)
    try:
        with torch.inference_mode():
            output = model(model.preprocess(texts))
        shape = tuple(output["sentence_embedding"].shape)
    except BaseException as error:
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        raise InvalidFolderError(f"{source} embeds no text: {describe(error)}") from error
    if len(shape) != 2 or shape[0] != len(texts):
        raise InvalidFolderError(
            f"{source} embeds {len(texts)} texts in a tensor of shape {shape}."
        )


def write_sentence_transformer(
    model: SentenceTransformer,
    path: Path,
    *,
    prompt: str | None,
    prompts: Mapping[str, str],
) -> None:
    """Save a model as sentence-transformers does, and nothing beside what can be loaded again.

    Args:
        model: The model.
        path: The folder, which is made.
        prompt: What is put in front of a text that is neither a query nor a document; it becomes
            the default prompt of the model. ``None`` leaves the model's own.
        prompts: What is put in front of queries and documents, by role.

    Raises:
        NotSavableError: The model has a module that cannot be loaded again, or a weight that is
            NaN or infinite.
        NotWritableError: A file cannot be written.
    """
    for module in model:
        if type(module) not in KINDS:
            raise NotSavableError(
                f"A {type(module).__name__} of a SentenceTransformer cannot be saved: nothing "
                "says how it is built again. What can be saved are "
                f"{', '.join(sorted(cls.__name__ for cls in KINDS))}."
            )
    check_finite(model.state_dict(), "SentenceTransformer")
    try:
        with without_progress_bars():
            model.save(str(path), create_model_card=False)
    except SafetensorError as error:
        raise NotWritableError(f"{path} cannot be written: {error}.") from error
    _write_prompts(path / MODEL_FILE, prompt, prompts)
    for settings in path.rglob(SETTINGS_FILE):
        _tidy(settings.parent)
    with open_saved_folder(path) as folder:
        try:
            check(_Model, folder.read_json(MODEL_FILE), str(path / MODEL_FILE))
            _check_files(folder)
        except InvalidFolderError as error:
            raise NotSavableError(
                f"This SentenceTransformer cannot be saved, since it could not be loaded: {error}"
            ) from error


def _check_files(folder: SavedFolder) -> list[tuple[_Module, SavedFolder]]:
    """Check all files but the weights; return the modules and the folder of each."""
    source = str(folder.path / MODULES_FILE)
    value = parse_json(folder.read(MODULES_FILE), source)
    listed = check(_Modules, {"modules": value}, source).modules
    if len({module.name for module in listed}) < len(listed):
        raise InvalidFolderError(f"{source} gives two modules one name.")
    places: list[tuple[_Module, SavedFolder]] = []
    for index, module in enumerate(listed):
        class_name, kind = find_kind(module.type, source)
        is_root = index == 0 and module.path == ""
        if module.idx != index or not _MODULE_NAME.fullmatch(module.name):
            raise InvalidFolderError(f"{source} has no valid module {index}.")
        if not is_root and module.path != f"{index}_{class_name}":
            raise InvalidFolderError(f"{source} places module {index} at {module.path!r:.200}.")
        if not all(name.isidentifier() for name in module.kwargs):
            raise InvalidFolderError(f"{source} has arguments {module.kwargs!r:.200}.")
        if is_root:
            others = tuple(f"{other.path}/" for other in listed[1:])
            names = {name for name in folder.files if not name.startswith(others)}
            place = folder.select(names - {MODULES_FILE, MODEL_FILE})
        else:
            place = folder.subfolder(module.path)
        kind.check(place)
        places.append((module, place))
    if listed[0].path:
        known = tuple(f"{module.path}/" for module in listed)
        for name in folder.files:
            if name not in (MODULES_FILE, MODEL_FILE) and not name.startswith(known):
                raise InvalidFolderError(f"{folder.path / name} belongs to no module of the model.")
    return places


def _write_prompts(file: Path, prompt: str | None, prompts: Mapping[str, str]) -> None:
    """Write the prompts of an encoder into the configuration of its model."""
    config = json.loads(file.read_text(encoding="utf-8"))
    own: dict[str, Any] = config["prompts"]
    own.update(prompts)
    if prompt is not None:
        name = config["default_prompt_name"]
        if prompt == "":
            name = None
        elif name is None or own.get(name) != prompt:
            name = next((key for key, text in own.items() if text == prompt), _DEFAULT_PROMPT)
            own[name] = prompt
        config["default_prompt_name"] = name
    _write(file, config)


def _tidy(folder: Path) -> None:
    """Leave out what a transformer's files carry along without an effect."""
    (folder / CHAT_TEMPLATE_FILE).unlink(missing_ok=True)
    file = folder / MODEL_CONFIG_FILE
    config = json.loads(file.read_text(encoding="utf-8"))
    _write(file, known_config(config, config_class_of(config, str(file))))
    file = folder / TOKENIZER_CONFIG_FILE
    if file.exists():
        _write(file, known_tokenizer_config(json.loads(file.read_text(encoding="utf-8"))))


def _write(file: Path, value: dict[str, Any]) -> None:
    file.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
