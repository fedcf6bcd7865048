"""The files of the library ``transformers`` in saved folders: configurations and tokenizers."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import torch

from quaterion_core.storage import InvalidFolderError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

MODEL_CONFIG_FILE: Final = "config.json"
TOKENIZER_CONFIG_FILE: Final = "tokenizer_config.json"

DTYPES: Final = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float64": torch.float64,
}

_LARGEST: Final = 10_000_000
_LONGEST: Final = 1000
_NEVER: Final = re.compile(
    r"auto_map|name_or_path|quantization_config|backbone|use_pretrained|use_kernels|kernel_config"
    r"|attn_implementation|experts_implementation|transformers_weights|checkpoint_path"
    r"|custom_pipelines|_plan$|device_map|url$"
)
"""Keys that name code, files or other models; in no table of this module."""

_ALWAYS: Final = {
    "add_cross_attention", "architectures", "attention_dropout", "bos_token_id",
    "chunk_size_feed_forward", "classifier_dropout", "decoder_start_token_id", "dtype",
    "eos_token_id", "finetuning_task", "gradient_checkpointing", "id2label", "initializer_factor",
    "is_decoder", "is_encoder_decoder", "label2id", "mask_token_id", "model_type", "n_ctx",
    "output_attentions", "output_hidden_states", "output_past", "pad_token_id",
    "pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers",
    "pooler_size_per_head", "pooler_type", "position_embedding_type", "problem_type",
    "return_dict", "sep_token_id", "tie_word_embeddings", "torch_dtype", "transformers_version",
    "unk_token_id", "use_cache",
}  # fmt: skip
"""Keys of all models, and old ones that configurations carry along without an effect."""

_TOKENIZER_KEYS: Final[Mapping[str, type | tuple[type, ...]]] = {
    **dict.fromkeys(
        (
            "add_bos_token", "add_eos_token", "add_prefix_space", "clean_up_tokenization_spaces",
            "do_basic_tokenize", "do_lower_case", "do_lowercase", "is_local", "is_split_into_words",
            "keep_accents", "legacy", "local_files_only", "remove_space", "split_special_tokens",
            "strip_accents", "tokenize_chinese_chars", "trim_offsets", "use_default_system_prompt",
        ),
        (bool, type(None)),
    ),
    **dict.fromkeys(
        ("max_length", "pad_to_multiple_of", "pad_token_type_id", "stride"), (int, type(None))
    ),
    **dict.fromkeys(
        (
            "backend", "cls_token", "bos_token", "eos_token", "mask_token", "pad_token",
            "sep_token", "unk_token", "padding_side", "truncation_side", "truncation_strategy",
            "tokenizer_class", "errors", "processor_class",
        ),
        (str, dict, type(None)),
    ),
    "model_max_length": (int, float),
    "never_split": (list, type(None)),
    "model_input_names": list,
    "additional_special_tokens": list,
    "extra_special_tokens": (list, dict),
    "added_tokens_decoder": dict,
}  # fmt: skip
"""Keys of ``tokenizer_config.json`` and the types of their values."""

_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "backend": ("tokenizers", "python", "custom"),
    "padding_side": ("left", "right"),
    "truncation_side": ("left", "right"),
    "truncation_strategy": ("longest_first", "only_first", "only_second", "do_not_truncate"),
    "errors": ("replace", "strict", "ignore"),
}
_LABELS: Final = {"id2label", "label2id"}
"""Names of classes, which embeddings have nothing to do with."""

_MOST_LABELS: Final = 25_000

_TOKEN_KEYS: Final = {
    "__type", "content", "lstrip", "normalized", "rstrip", "single_word", "special",
}  # fmt: skip
_INPUTS: Final = {
    "attention_mask", "input_ids", "length", "offset_mapping", "overflowing_tokens", "position_ids",
    "special_tokens_mask", "token_type_ids",
}  # fmt: skip
"""What a tokenizer makes of texts."""

_RANGES: Final = {"model_max_length": 1e31, "pad_to_multiple_of": 1024}
_CLASS_NAME: Final = re.compile(r"[A-Z][A-Za-z0-9_]{1,60}(Tokenizer|TokenizerFast|Backend)")


def config_class_of(config: Mapping[str, Any], source: str) -> type[PreTrainedConfig]:
    """Find the class of a model's configuration, in the table of ``transformers``.

    Raises:
        InvalidFolderError: ``model_type`` names none that is for embeddings.
    """
    from transformers import CONFIG_MAPPING
    from transformers.models.auto.modeling_auto import MODEL_MAPPING_NAMES

    model_type = config.get("model_type")
    if not isinstance(model_type, str) or model_type not in MODEL_MAPPING_NAMES:
        raise InvalidFolderError(f"{source} names the type of model {model_type!r:.80}.")
    return CONFIG_MAPPING[model_type]


def known_config(config: Mapping[str, Any], config_class: Any) -> dict[str, Any]:
    """Leave out what the class of a configuration does not know, when a model is saved."""
    known = _known_keys(config_class, config)
    kept = {key: value for key, value in config.items() if key in known}
    for key, sub_class in getattr(config_class, "sub_configs", {}).items():
        if isinstance(kept.get(key), dict) and hasattr(sub_class, "model_type"):
            kept[key] = known_config(kept[key], sub_class)
    return kept


def check_config(config: Mapping[str, Any], config_class: Any, source: str) -> None:
    """Check a model's configuration: known keys only, with plain values.

    Raises:
        InvalidFolderError: There is a key that the class does not know, or one that names code,
            files or other models; or a value that is none of a configuration.
    """
    sub_classes = {
        key: value
        for key, value in getattr(config_class, "sub_configs", {}).items()
        if hasattr(value, "model_type")
    }
    known = _known_keys(config_class, config)
    for key, value in config.items():
        if key not in known or _NEVER.search(key):
            raise InvalidFolderError(
                f"{source} has the entry {key!r:.200}, which saving does not write."
            )
        if key in _LABELS or key == "num_labels":
            _check_labels(value, key, source)
            continue
        if key in sub_classes and isinstance(value, dict):
            check_config(value, sub_classes[key], source)
        else:
            _check_plain(value, key, source, 3)
    check_dtype(config, source)


def _check_labels(value: Any, key: str, source: str) -> None:
    """Refuse more classes than the library builds names for in a short time."""
    number = value if key == "num_labels" else len(value or ()) if isinstance(value, dict) else 0
    is_plain = isinstance(value, dict) or value is None
    if (type(value) is not int) if key == "num_labels" else not is_plain:
        raise _odd(key, value, source)
    if not 0 <= number <= _MOST_LABELS:
        raise _odd(key, number, source)


def check_dtype(config: Mapping[str, Any], source: str) -> None:
    """Refuse a type of weights that is none of the table."""
    for key in ("dtype", "torch_dtype"):
        name = config.get(key)
        if name is not None and (not isinstance(name, str) or name not in DTYPES):
            raise InvalidFolderError(f"{source} names the type of weights {config[key]!r:.80}.")


def known_tokenizer_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is not in the table, when a tokenizer is saved."""
    return {key: value for key, value in config.items() if key in _TOKENIZER_KEYS}


def check_tokenizer_config(config: Mapping[str, Any], source: str) -> None:
    """Check ``tokenizer_config.json``: known keys only, with plain values.

    Raises:
        InvalidFolderError: There is another key, or a value of another type or out of range.
    """
    for key, value in config.items():
        if key not in _TOKENIZER_KEYS or type(value) not in _as_tuple(_TOKENIZER_KEYS[key]):
            raise _odd(key, value, source)
        if value is None:
            continue
        if key in _CHOICES and value not in _CHOICES[key]:
            raise _odd(key, value, source)
        if key in _RANGES and not 1 <= value <= _RANGES[key]:
            raise _odd(key, value, source)
        if key == "model_max_length":
            continue
        if key.endswith("_class"):
            if key != "tokenizer_class" or not _is_tokenizer(value):
                raise _odd(key, value, source)
        elif key == "model_input_names":
            if not all(isinstance(name, str) and name in _INPUTS for name in value):
                raise _odd(key, value, source)
        elif key == "added_tokens_decoder":
            for index, token in value.items():
                if not index.isdecimal() or not isinstance(token, dict):
                    raise _odd(key, token, source)
                _check_token(key, token, source)
        elif key == "extra_special_tokens" and isinstance(value, dict):
            for token in value.values():
                _check_token(key, token, source)
        elif isinstance(value, (list, dict)):
            for token in value if isinstance(value, list) else [value]:
                _check_token(key, token, source)
        else:
            _check_plain(value, key, source, 0)


def _is_tokenizer(name: object) -> bool:
    """Whether the library has a tokenizer of a name."""
    import transformers

    if not isinstance(name, str) or not _CLASS_NAME.fullmatch(name):
        return False
    return isinstance(getattr(transformers, name, None), type)


def _check_token(key: str, token: Any, source: str) -> None:
    if isinstance(token, str):
        _check_plain(token, key, source, 0)
        return
    if not isinstance(token, dict) or not token.keys() <= _TOKEN_KEYS:
        raise _odd(key, token, source)
    for name, value in token.items():
        expected = str if name in ("content", "__type") else bool
        if type(value) is not expected or (name == "__type" and value != "AddedToken"):
            raise _odd(key, token, source)


def _check_plain(value: Any, key: str, source: str, levels: int) -> None:
    """Refuse what no entry of a configuration is."""
    if isinstance(value, (list, dict)):
        if levels == 0:
            raise _odd(key, value, source)
        if isinstance(value, dict):
            for name in value:
                if len(name) > _LONGEST or _NEVER.search(name):
                    raise _odd(f"{key}.{name}", value[name], source)
            value = list(value.values())
        for item in value:
            _check_plain(item, key, source, levels - 1)
    elif isinstance(value, str):
        if len(value) > _LONGEST or "/" in value or "\\" in value:
            raise _odd(key, value, source)
    elif type(value) is int and abs(value) > _LARGEST and "theta" not in key:
        raise _odd(key, value, source)


def _known_keys(config_class: Any, config: Mapping[str, Any]) -> set[str]:
    """Return what a class of configurations declares, and what the code of its model looks up."""
    names = {field.name for field in dataclasses.fields(config_class)}
    names |= set(getattr(config_class, "attribute_map", {}))
    if "rope_parameters" in names:
        names |= {"rope_theta", "rope_scaling"}
    code = _model_code(config_class.__module__)
    names |= {key for key in config if re.search(rf"config(\.|, ?[\"']){re.escape(key)}\b", code)}
    return {name for name in names | _ALWAYS if not _NEVER.search(name)}


@cache
def _model_code(config_module: str) -> str:
    """Return the source of an architecture, which reads some entries without declaring them."""
    name = config_module.replace(".configuration_", ".modeling_")
    try:
        return inspect.getsource(importlib.import_module(name))
    except (ImportError, OSError):  # not every one has such a module, or its source
        return ""


def _as_tuple(types: type | tuple[type, ...]) -> tuple[type, ...]:
    return types if isinstance(types, tuple) else (types,)


def _odd(key: str, value: Any, source: str) -> InvalidFolderError:
    return InvalidFolderError(
        f"{source} has {value!r:.80} for {key!r:.200}, which saving does not write."
    )
