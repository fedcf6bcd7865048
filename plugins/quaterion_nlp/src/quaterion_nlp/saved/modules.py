"""The modules of sentence-transformers in a saved folder, by a fixed table of their classes."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import torch
from pydantic import Field
from sentence_transformers.sentence_transformer.modules import (
    CNN,
    LSTM,
    BoW,
    Dense,
    Dropout,
    LayerNorm,
    Normalize,
    Pooling,
    Router,
    StaticEmbedding,
    Transformer,
    WeightedLayerPooling,
    WordEmbeddings,
    WordWeights,
)
from sentence_transformers.sentence_transformer.modules.tokenizer import (
    TransformersTokenizerWrapper,
    WhitespaceTokenizer,
)
from sentence_transformers.sentence_transformer.modules.tokenizer.phrase import PhraseTokenizer
from torch import nn

from quaterion_core.storage import InvalidFolderError, SavedFolder
from quaterion_core.storage.construction import bounded_construction, check_fit
from quaterion_core.storage.modules import assign_weights
from quaterion_core.storage.tensor_files import TensorInfo
from quaterion_nlp.saved.schemas import (
    Count,
    Identifier,
    Probability,
    Schema,
    Size,
    Text,
    check,
    explained,
)
from quaterion_nlp.saved.tokenizers import TOKENIZER_FILE, read_tokenizer
from quaterion_nlp.saved.transformer import (
    WEIGHTS_FILE,
    check_transformer_files,
    read_transformer,
)
from quaterion_nlp.saved.transformers_files import TOKENIZER_CONFIG_FILE, check_tokenizer_config

VOCABULARY_LIMIT: Final = 64 << 20
_MOST_MODULES: Final = 32

_Words = Annotated[list[Text], Field(max_length=5_000_000)]
_Weights = dict[str, float]

ACTIVATIONS: Final[Mapping[str, type[nn.Module]]] = {
    f"{activation.__module__}.{activation.__name__}": activation
    for activation in (
        nn.CELU, nn.ELU, nn.GELU, nn.Hardsigmoid, nn.Hardswish, nn.Hardtanh, nn.Identity,
        nn.LeakyReLU, nn.LogSigmoid, nn.Mish, nn.ReLU, nn.ReLU6, nn.SELU, nn.SiLU, nn.Sigmoid,
        nn.Softplus, nn.Softsign, nn.Tanh, nn.Tanhshrink,
    )
}  # fmt: skip
"""Activations of a ``Dense`` module, by the names that it saves."""


class _Bow(Schema):
    vocab: _Words
    word_weights: _Weights
    unknown_word_weight: float
    cumulative_term_frequency: bool


class _Cnn(Schema):
    in_embedding_dimension: Size
    out_channels: Size
    kernel_sizes: list[Size] = Field(max_length=100)
    stride_sizes: list[Size] = Field(max_length=100)


class _Dense(Schema):
    in_features: Size
    out_features: Size
    bias: bool
    activation_function: str
    module_input_name: Identifier
    module_output_name: Identifier | None
    use_residual: bool = False


class _Dropout(Schema):
    dropout: Probability


class _LayerNorm(Schema):
    dimension: Size


class _Lstm(Schema):
    embedding_dimension: Size
    hidden_dim: Size
    num_layers: Size
    dropout: Probability
    bidirectional: bool


class _Normalize(Schema):
    module_input_name: Identifier = "sentence_embedding"
    module_output_name: Identifier | None = None


_Mode = Literal["cls", "lasttoken", "max", "mean", "mean_sqrt_len_tokens", "weightedmean"]


class _Pooling(Schema):
    embedding_dimension: Size
    pooling_mode: _Mode | Annotated[list[_Mode], Field(min_length=1, max_length=6)]
    include_prompt: bool


class _Router(Schema):
    types: dict[str, str]
    structure: dict[Identifier, list[str]] = Field(min_length=1, max_length=_MOST_MODULES)
    parameters: _RouterParameters


class _RouterParameters(Schema):
    default_route: Identifier | None
    allow_empty_key: bool
    route_mappings: dict[str, Identifier]


class _WeightedLayerPooling(Schema):
    embedding_dimension: Size
    layer_start: Count
    num_hidden_layers: Size


class _WordTokenizer(Schema):
    vocab: _Words
    stop_words: _Words
    do_lower_case: bool


class _PhraseTokenizer(_WordTokenizer):
    ngram_separator: Text
    max_ngram_length: Size


class _WordEmbeddings(Schema):
    tokenizer_class: str
    update_embeddings: bool
    max_seq_length: Size


class _WordWeights(Schema):
    vocab: _Words
    word_weights: _Weights
    unknown_word_weight: float


@dataclass(frozen=True)
class _Kind:
    """How a class of modules is checked and built.

    Args:
        check: Checks the files of a folder, but the weights.
        read: Builds the module.
    """

    check: Callable[[SavedFolder], object]
    read: Callable[[SavedFolder], nn.Module]


def find_kind(type_name: object, source: str) -> tuple[str, _Kind]:
    """Find a class of modules in the table.

    Args:
        type_name: The full name of the class, as a file has it.
        source: The file, for the error.

    Returns:
        The name of the class, and how it is checked and built.

    Raises:
        InvalidFolderError: The class is not in the table.
    """
    for cls, kind in KINDS.items():
        if type_name in class_names(cls):
            return cls.__name__, kind
    raise InvalidFolderError(
        f"The model cannot be opened: {source} names the module {type_name!r:.200}, which is none "
        f"of {', '.join(sorted(cls.__name__ for cls in KINDS))} of sentence-transformers."
    )


def class_names(cls: type[nn.Module]) -> set[str]:
    """Return the full names that a class of modules is saved under, older ones too."""
    return {f"{cls.__module__}.{cls.__name__}", f"sentence_transformers.models.{cls.__name__}"}


def _simple(cls: Any, schema: type[Schema], *, weights: bool, limit: int = 1 << 20) -> _Kind:
    """Return how a class is checked and built whose constructor takes what its file holds."""
    name: str = cls.config_file_name

    def check_files(folder: SavedFolder) -> Schema:
        folder.require({name, WEIGHTS_FILE} if weights else {name})
        value = folder.read_json(name, limit=limit)
        return check(schema, value, str(folder.path / name))

    def build(config: Schema) -> Any:
        arguments = config.model_dump(exclude_unset=True)
        if cls is Dense:
            arguments["activation_function"] = ACTIVATIONS[arguments["activation_function"]]()
        return cls(**arguments)

    def read(folder: SavedFolder) -> nn.Module:
        config = check_files(folder)
        source = str(folder.path / name)
        with explained(source):
            if not weights:
                with bounded_construction({}, source):
                    return build(config)  # type: ignore[no-any-return]
            with folder.open_tensors(WEIGHTS_FILE) as file:
                with bounded_construction(file.tensors, source), torch.device("meta"):
                    skeleton = build(config)
                check_fit(skeleton, file.tensors, str(folder.path / WEIGHTS_FILE))
                module: nn.Module = build(config)
                assign_weights(module, file, str(folder.path / WEIGHTS_FILE))
                return module

    return _Kind(check_files, read)


def _check_pooling(folder: SavedFolder) -> object:
    config = _POOLING.check(folder)
    assert isinstance(config, _Pooling)
    modes = config.pooling_mode
    if isinstance(modes, list) and len(set(modes)) < len(modes):
        raise InvalidFolderError(
            f"{folder.path / Pooling.config_file_name} names a mode of pooling twice: {modes}."
        )
    return config


def _check_dense(folder: SavedFolder) -> object:
    config = _DENSE.check(folder)
    assert isinstance(config, _Dense)
    if config.activation_function not in ACTIVATIONS:
        raise InvalidFolderError(
            f"{folder.path / Dense.config_file_name} names the activation "
            f"{config.activation_function!r:.200}, which is none of {', '.join(ACTIVATIONS)}."
        )
    return config


def _read_dense(folder: SavedFolder) -> nn.Module:
    _check_dense(folder)
    return _DENSE.read(folder)


def _check_static(folder: SavedFolder) -> object:
    folder.require({TOKENIZER_FILE, WEIGHTS_FILE})
    return read_tokenizer(folder)


def _read_static(folder: SavedFolder) -> nn.Module:
    folder.require({TOKENIZER_FILE, WEIGHTS_FILE})
    tokenizer, largest, _ = read_tokenizer(folder)
    with folder.open_tensors(WEIGHTS_FILE) as file:
        rows = _table_of(file.tensors, "embedding.weight", folder)
        _check_ids(largest, rows, folder)
        weights = dict(file.read())["embedding.weight"]
    return StaticEmbedding(tokenizer, embedding_weights=weights)


def _check_word_embeddings(folder: SavedFolder) -> tuple[_WordEmbeddings, Any]:
    name = WordEmbeddings.config_file_name
    source = str(folder.path / name)
    config = check(_WordEmbeddings, folder.read_json(name), source)
    tokenizers = {f"{cls.__module__}.{cls.__name__}": cls for cls in _WORD_TOKENIZERS}
    cls = tokenizers.get(config.tokenizer_class)
    if cls is None:
        raise InvalidFolderError(
            f"{source} names the tokenizer {config.tokenizer_class!r:.200}, which is none of "
            f"{', '.join(tokenizers)}."
        )
    files = _WORD_TOKENIZERS[cls]
    folder.require({name, WEIGHTS_FILE, *files})
    for file, schema in files.items():
        if file == TOKENIZER_FILE:
            read_tokenizer(folder)
        elif file == TOKENIZER_CONFIG_FILE:
            check_tokenizer_config(folder.read_json(file), str(folder.path / file))
        else:
            assert schema is not None
            value = folder.read_json(file, limit=VOCABULARY_LIMIT)
            check(schema, value, str(folder.path / file))
    return config, cls


def _read_word_embeddings(folder: SavedFolder) -> nn.Module:
    config, cls = _check_word_embeddings(folder)
    with folder.private_copy(_WORD_TOKENIZERS[cls]) as private, explained(str(folder.path)):
        tokenizer = cls.load(str(private))
    with folder.open_tensors(WEIGHTS_FILE) as file:
        rows = _table_of(file.tensors, "emb_layer.weight", folder)
        largest = len(tokenizer.get_vocab()) - 1
        _check_ids(largest, rows, folder)
        weights = dict(file.read())["emb_layer.weight"]
    return WordEmbeddings(tokenizer, weights, config.update_embeddings, config.max_seq_length)


_WORD_TOKENIZERS: Final[Mapping[Any, Mapping[str, type[Schema] | None]]] = {
    WhitespaceTokenizer: {"whitespacetokenizer_config.json": _WordTokenizer},
    PhraseTokenizer: {"phrasetokenizer_config.json": _PhraseTokenizer},
    TransformersTokenizerWrapper: {TOKENIZER_FILE: None, TOKENIZER_CONFIG_FILE: None},
}


def _check_router(folder: SavedFolder) -> _Router:
    name = Router.config_file_name
    source = str(folder.path / name)
    config = check(_Router, folder.read_json(name), source)
    listed = [module for modules in config.structure.values() for module in modules]
    if set(listed) != config.types.keys() or len(config.types) > _MOST_MODULES:
        raise InvalidFolderError(f"{source} lists other modules than it has types for.")
    for module_id, type_name in config.types.items():
        class_name, kind = find_kind(type_name, source)
        if kind is KINDS[Router] or not module_id.endswith(f"_{class_name}"):
            raise InvalidFolderError(f"{source} has a module {module_id!r:.200} of {type_name}.")
        if not module_id.replace("-", "_").isidentifier():
            raise InvalidFolderError(f"{source} has a module {module_id!r:.200}.")
        kind.check(folder.subfolder(module_id))
    for file in folder.files:
        if file != name and file.partition("/")[0] not in config.types:
            raise InvalidFolderError(f"{folder.path / file} belongs to no module of the router.")
    _routes(config, source)
    return config


def _routes(config: _Router, source: str) -> dict[tuple[Any, Any], str]:
    """Read which route is for which task and kind of input."""
    routes: dict[tuple[Any, Any], str] = {}
    for text, route in config.parameters.route_mappings.items():
        try:
            key = ast.literal_eval(text) if len(text) <= 200 else None
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            key = None
        if not isinstance(key, tuple) or len(key) != 2 or str(key) != text:
            raise InvalidFolderError(f"{source} has the route {text!r:.200}.")
        if route not in config.structure:
            raise InvalidFolderError(f"{source} has no modules for the route {route!r}.")
        routes[key] = route
    return routes


def _read_router(folder: SavedFolder) -> nn.Module:
    config = _check_router(folder)
    source = str(folder.path / Router.config_file_name)
    modules = {
        module_id: find_kind(type_name, source)[1].read(folder.subfolder(module_id))
        for module_id, type_name in config.types.items()
    }
    structure = {
        route: [modules[module_id] for module_id in ids] for route, ids in config.structure.items()
    }
    with explained(source):
        return Router(
            structure,  # type: ignore[arg-type]  # of modules of the table
            default_route=config.parameters.default_route,
            allow_empty_key=config.parameters.allow_empty_key,
            route_mappings=_routes(config, source),
        )


def _table_of(tensors: Mapping[str, TensorInfo], name: str, folder: SavedFolder) -> int:
    """Check that a file holds one table of embeddings, and return the number of its rows."""
    info = tensors.get(name)
    if (
        tensors.keys() != {name}
        or info is None
        or len(info.shape) != 2
        or 0 in info.shape
        or not info.dtype.is_floating_point
    ):
        raise InvalidFolderError(
            f"{folder.path / WEIGHTS_FILE} should hold the table {name!r} alone, but holds "
            f"{ {key: str(value) for key, value in list(tensors.items())[:3]} }."
        )
    return info.shape[0]


def _check_ids(largest: int, rows: int, folder: SavedFolder) -> None:
    if largest >= rows:
        raise InvalidFolderError(
            f"{folder.path} has a tokenizer with the id {largest}, but a table of {rows:,} rows."
        )


_DENSE: Final = _simple(Dense, _Dense, weights=True)
_POOLING: Final = _simple(Pooling, _Pooling, weights=False)

KINDS: Final[Mapping[type[nn.Module], _Kind]] = {
    BoW: _simple(BoW, _Bow, weights=False, limit=VOCABULARY_LIMIT),
    CNN: _simple(CNN, _Cnn, weights=True),
    Dense: _Kind(_check_dense, _read_dense),
    Dropout: _simple(Dropout, _Dropout, weights=False),
    LSTM: _simple(LSTM, _Lstm, weights=True),
    LayerNorm: _simple(LayerNorm, _LayerNorm, weights=True),
    Normalize: _simple(Normalize, _Normalize, weights=False),
    Pooling: _Kind(_check_pooling, _POOLING.read),
    Router: _Kind(_check_router, _read_router),
    StaticEmbedding: _Kind(_check_static, _read_static),
    Transformer: _Kind(check_transformer_files, read_transformer),
    WeightedLayerPooling: _simple(WeightedLayerPooling, _WeightedLayerPooling, weights=True),
    WordEmbeddings: _Kind(_check_word_embeddings, _read_word_embeddings),
    WordWeights: _simple(WordWeights, _WordWeights, weights=True, limit=VOCABULARY_LIMIT),
}
"""All classes of modules that are saved and loaded."""
