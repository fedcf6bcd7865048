"""The module ``Transformer`` of sentence-transformers in a saved folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field
from sentence_transformers.sentence_transformer.modules import Transformer

from quaterion_core.storage import InvalidFolderError, SavedFolder
from quaterion_core.storage.construction import bounded_construction
from quaterion_core.storage.tensor_files import TensorInfo
from quaterion_nlp.progress_bars import without_progress_bars
from quaterion_nlp.saved.schemas import Identifier, Schema, Size, Text, check, explained
from quaterion_nlp.saved.tokenizers import TOKENIZER_FILE, ReadTokenizer, read_tokenizer
from quaterion_nlp.saved.transformers_files import (
    DTYPES,
    MODEL_CONFIG_FILE,
    TOKENIZER_CONFIG_FILE,
    check_config,
    check_tokenizer_config,
    config_class_of,
)

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

    from quaterion_core.storage.tensor_files import TensorFile

WEIGHTS_FILE: Final = "model.safetensors"
SETTINGS_FILE: Final = "sentence_bert_config.json"
CHAT_TEMPLATE_FILE: Final = "chat_template.jinja"
"""Written beside a tokenizer that has one. Texts are embedded without it, so it is not used."""

_SLOW_TOKENIZER_FILES: Final = {"vocab.txt", "vocab.json", "merges.txt", "bpe.codes"}
_TEXT_LIMIT: Final = 64 << 20
_VARIANTS: Final = ("Model", "EncoderModel", "TextModel", "TextModelWithProjection", "Encoder")
_ARCHITECTURE: Final = re.compile(r"[A-Z][A-Za-z0-9_]{1,80}")


class _Method(Schema):
    method: Literal["forward", "get_text_features"]
    method_output_name: Identifier | None


class _Modalities(Schema):
    text: _Method


class _TextArguments(Schema):
    padding: bool | Literal["longest", "max_length"] | None = None
    truncation: bool | Literal["longest_first"] | None = None
    max_length: Annotated[int, Field(ge=1, le=131_072)] | None = None
    add_special_tokens: bool | None = None


class _Processing(Schema):
    common: _TextArguments | None = None
    text: _TextArguments | None = None


class _QueryExpansion(Schema):
    strategy: Literal["fixed", "min"]
    attend: bool
    token: Text | None
    length: Size


class _Settings(Schema):
    """What ``sentence_bert_config.json`` holds; no keyword arguments of loaders."""

    transformer_task: Literal["feature-extraction"]
    modality_config: _Modalities
    module_output_name: Identifier
    processing_kwargs: _Processing | None = None
    unpad_inputs: bool | None = None
    query_length: Size | None = None
    document_length: Size | None = None
    query_expansion: _QueryExpansion | None = None


def check_transformer_files(folder: SavedFolder) -> type[PreTrainedConfig]:
    """Check the files of a transformer, but its weights.

    Returns:
        The class of its configuration.

    Raises:
        InvalidFolderError: There is a file that saving does not write, or one that holds something
            else than is saved there.
    """
    required = {MODEL_CONFIG_FILE, SETTINGS_FILE, TOKENIZER_CONFIG_FILE, WEIGHTS_FILE}
    is_fast = TOKENIZER_FILE in folder.files
    folder.require(
        required | ({TOKENIZER_FILE} if is_fast else set()),
        optional={CHAT_TEMPLATE_FILE} | (set() if is_fast else _SLOW_TOKENIZER_FILES),
    )
    check(_Settings, folder.read_json(SETTINGS_FILE), str(folder.path / SETTINGS_FILE))
    source = str(folder.path / MODEL_CONFIG_FILE)
    config = folder.read_json(MODEL_CONFIG_FILE)
    config_class = config_class_of(config, source)
    check_config(config, config_class, source)
    architecture_of(config, source)
    check_tokenizer_config(
        folder.read_json(TOKENIZER_CONFIG_FILE), str(folder.path / TOKENIZER_CONFIG_FILE)
    )
    if CHAT_TEMPLATE_FILE in folder.files:
        folder.read(CHAT_TEMPLATE_FILE)
    for name in _SLOW_TOKENIZER_FILES & folder.files.keys():
        _check_text(folder, name)
    return config_class


def read_transformer(folder: SavedFolder) -> Transformer:
    """Build a transformer from a saved folder.

    Its files are checked, the model is built on the meta device and compared with the header of
    its weights, and only then gets memory. No loader of ``transformers`` opens a file of the
    folder: they get copies of the small ones, and the tensors.

    Raises:
        InvalidFolderError: The folder holds something else than is saved.
    """
    config_class = check_transformer_files(folder)
    source = str(folder.path / MODEL_CONFIG_FILE)
    config = folder.read_json(MODEL_CONFIG_FILE)
    is_fast = TOKENIZER_FILE in folder.files
    tokenizer = read_tokenizer(folder) if is_fast else None
    largest_id = tokenizer.largest_word_id if tokenizer else 0
    model_class = _model_class(config, source)
    dtype = DTYPES[config.get("dtype") or config.get("torch_dtype") or "float32"]
    copied = set(folder.files) - {WEIGHTS_FILE, CHAT_TEMPLATE_FILE}
    weights_source = str(folder.path / WEIGHTS_FILE)

    def load_model(*_: Any, **__: Any) -> PreTrainedModel:
        with bounded_construction(weights.tensors, source), without_progress_bars():
            model: PreTrainedModel
            model, report = model_class.from_pretrained(
                None,
                config=loaded_config,
                state_dict=dict(weights.read()),
                dtype=dtype,
                output_loading_info=True,
                local_files_only=True,
                use_safetensors=True,
                weights_only=True,
                trust_remote_code=False,
            )
        _check_report(report, weights_source)
        _check_weights(model, weights, weights_source)
        table: Any = model.get_input_embeddings()
        rows = table.weight.shape[0]
        if largest_id >= rows:
            raise InvalidFolderError(
                f"{folder.path / TOKENIZER_FILE} holds the id {largest_id}, but the model has "
                f"embeddings of {rows:,} tokens."
            )
        return model

    with (
        explained(str(folder.path)),
        folder.private_copy(copied) as private,
        folder.open_tensors(WEIGHTS_FILE) as weights,
    ):
        loaded_config = config_class.from_pretrained(str(private), local_files_only=True)
        module = _build(private, load_model)
    if tokenizer is not None:
        _check_added_tokens(module, tokenizer, str(folder.path / TOKENIZER_CONFIG_FILE))
    return module


def architecture_of(config: dict[str, Any], source: str) -> str:
    """Return the class that a configuration names.

    Raises:
        InvalidFolderError: It does not name one class that embeds.
    """
    from transformers.models.auto.modeling_auto import MODEL_MAPPING_NAMES

    names = config.get("architectures")
    name = names[0] if isinstance(names, list) and len(names) == 1 else None
    base = MODEL_MAPPING_NAMES[config["model_type"]]
    bases = (base,) if isinstance(base, str) else base
    allowed = {
        known.removesuffix("Model") + variant for known in bases for variant in _VARIANTS
    } | set(bases)
    if not isinstance(name, str) or not _ARCHITECTURE.fullmatch(name) or name not in allowed:
        raise InvalidFolderError(
            f"Expected {source} to name one of the architectures {', '.join(sorted(allowed))}, got "
            f"{names!r:.80}."
        )
    return name


def _model_class(config: dict[str, Any], source: str) -> Any:
    import transformers

    name = architecture_of(config, source)
    model_class = getattr(transformers, name, None)
    if not (
        isinstance(model_class, type)
        and issubclass(model_class, transformers.PreTrainedModel)
        and model_class.__module__.startswith("transformers.models.")
    ):
        raise InvalidFolderError(f"{source} names the architecture {name!r}, which is unknown.")
    return model_class


def _build(private: Path, load_model: Any) -> Transformer:
    """Build the module from the files of a folder, with a model that is loaded already."""
    config = Transformer.load_config(str(private), local_files_only=True)
    module: Transformer = Transformer.__new__(Transformer)
    vars(module)["_load_model"] = load_model
    loader = {"local_files_only": True, "trust_remote_code": False}
    try:
        module.__init__(  # type: ignore[misc]  # with a method of its own
            str(private),
            **config,
            config_kwargs=dict(loader),
            processor_kwargs=dict(loader),
            model_kwargs={**loader, "use_safetensors": True, "weights_only": True},
        )
    finally:
        vars(module).pop("_load_model", None)
    return module


def _check_added_tokens(module: Transformer, tokenizer: ReadTokenizer, source: str) -> None:
    """Refuse tokens that are not in ``tokenizer.json``, for which the model has no embeddings."""
    loaded: Any = module.tokenizer
    count = len(loaded)
    expected = tokenizer.tokenizer.get_vocab_size(with_added_tokens=True)
    if count > max(expected, tokenizer.largest_id + 1):
        raise InvalidFolderError(
            f"{source} adds {count - expected:,} tokens that {TOKENIZER_FILE} does not have."
        )


def _check_report(report: dict[str, Any], source: str) -> None:
    faults = {key: value for key, value in report.items() if value}
    if faults:
        raise InvalidFolderError(f"{source} does not fit the model: {faults!r:.300}.")


def _check_text(folder: SavedFolder, name: str) -> None:
    try:
        folder.read(name, limit=_TEXT_LIMIT).decode()
    except UnicodeDecodeError as error:
        raise InvalidFolderError(f"{folder.path / name} is no UTF-8 text: {error}.") from error


def _check_weights(model: PreTrainedModel, weights: TensorFile, source: str) -> None:
    """Compare the loaded model with the header of its weights: names, shapes and types.

    Names are those of the model, but for architectures whose weights ``transformers`` renames
    when it saves and loads; of these the number of values is compared, and the names are compared
    by ``transformers``.
    """
    shared = getattr(model, "all_tied_weights_keys", None) or {}
    state = {
        name: TensorInfo(value.dtype, tuple(value.shape))
        for name, value in model.state_dict().items()
        if name in weights.tensors or name not in shared
    }
    if state == weights.tensors:
        return
    elements = sum(info.elements for info in state.values())
    if elements == weights.elements and state.keys() != weights.tensors.keys():
        return
    names = sorted(
        name
        for name in state.keys() | weights.tensors.keys()
        if state.get(name) != weights.tensors.get(name)
    )
    more = f", and {len(names) - 1} more" if len(names) > 1 else ""
    raise InvalidFolderError(
        f"{source} does not fit {type(model).__name__}: expected {names[0]!r:.200} to be "
        f"{state.get(names[0], 'missing')}, got "
        f"{weights.tensors.get(names[0], 'missing')}{more}."
    )
