"""Opening pretrained models and tokenizers: from this machine, or else from the hub."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tokenizers import Tokenizer

from quaterion_core.storage import InvalidFolderError, read_json
from quaterion_core.storage.errors import printable
from quaterion_nlp.progress_bars import without_progress_bars

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

OpenedT = TypeVar("OpenedT")


def open_sentence_transformer(name: str) -> SentenceTransformer:
    """Open a sentence-transformers model, without running code from its repository.

    The user chose the model, so its values and its size are trusted, but not its code: from a
    local folder, only safetensors are opened; from the hub, weights of modules other than the
    transformer may be in PyTorch's format, and are opened without running code
    (``weights_only``). Keyword arguments for loaders in the folder have no effect.

    Args:
        name: A local folder, or the name of a model on the Hugging Face Hub, which is fetched
            unless this machine has it already.

    Raises:
        ValueError: The model cannot be opened.
    """
    from sentence_transformers import SentenceTransformer

    if _is_folder(name):
        _check_settings(Path(name))
        _check_weights(Path(name))
    return _open(
        lambda local: SentenceTransformer(
            name,
            device="cpu",
            local_files_only=local,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True, "weights_only": True},
        ),
        name,
        "sentence-transformers model",
        "a local folder that SentenceTransformer.save() wrote",
    )


def open_tokenizer(name: str) -> Tokenizer:
    """Open the tokenizer of a sentence-transformers or Hugging Face model.

    Args:
        name: A local folder or a name on the hub, as for :func:`open_sentence_transformer`. The
            weights are not fetched.

    Raises:
        ValueError: The tokenizer cannot be opened, or is not one of the library ``tokenizers``.
    """
    file = Path(name, "tokenizer.json")
    if _is_folder(name) and file.is_file():
        return Tokenizer.from_file(str(file))
    from transformers import AutoTokenizer

    opened = _open(
        lambda local: AutoTokenizer.from_pretrained(
            name, local_files_only=local, trust_remote_code=False
        ),
        name,
        "tokenizer",
        "a local folder with a tokenizer.json",
    )
    return fast_tokenizer(opened, name)


def _is_folder(name: str) -> bool:
    """Whether there is a folder of a name, which may be none that a path can have."""
    try:
        return Path(name).is_dir()
    except (OSError, ValueError):  # too long, or with a null character
        return False


def fast_tokenizer(tokenizer: object, name: str) -> Tokenizer:
    """Return the tokenizer of the library ``tokenizers`` inside one of ``transformers``.

    Raises:
        ValueError: There is none.
    """
    inner = getattr(tokenizer, "backend_tokenizer", None)
    if not isinstance(inner, Tokenizer):
        raise ValueError(
            f"The tokenizer of {name!r} is a {type(tokenizer).__name__}, which has no tokenizer of "
            "the library tokenizers inside. Choose a model with a tokenizer.json."
        )
    return inner


def _check_settings(folder: Path) -> None:
    """Refuse a local folder whose attention implementation refers to code on a hub.

    Raises:
        ValueError: The attention implementation refers to code on a hub.
    """
    for name in ("config.json", "sentence_bert_config.json"):
        file = (folder / name).resolve()  # a link, in what the hub's library has fetched
        if not file.is_file():
            continue
        try:
            found = _values_of("attn_implementation", read_json(file))
        except InvalidFolderError as error:
            raise ValueError(
                f"The sentence-transformers model cannot be opened: {error}"
            ) from error
        for value in found:
            if not isinstance(value, str) or not value.replace("_", "").isalnum():
                raise ValueError(
                    f"{folder / name} names the attention {value!r:.80}, which could be code of a "
                    "hub. Remove the entry."
                )


def _check_weights(folder: Path) -> None:
    """Refuse a local folder with a module whose weights are not safetensors.

    Raises:
        ValueError: There is such a module.
    """
    has_modules = (folder / "modules.json").is_file()  # or else it may be any folder, of any size
    search = folder.rglob if has_modules else folder.glob
    for file in search("pytorch_model.bin"):
        if not any(file.parent.glob("*.safetensors")):
            raise ValueError(
                f"The sentence-transformers model cannot be opened: {file} is no safetensors file. "
                "Load the model with sentence-transformers, if you trust where it comes from, and "
                "save it again, which writes safetensors."
            )


def _values_of(key: str, value: object) -> list[object]:
    """List the values of all entries of JSON whose names end with a key."""
    found: list[object] = []
    if isinstance(value, dict):
        for name, item in value.items():
            found += [item] if name.endswith(key) and item is not None else _values_of(key, item)
    elif isinstance(value, list):
        for item in value:
            found += _values_of(key, item)
    return found


def _open(open_: Callable[[bool], OpenedT], name: str, what: str, folder: str) -> OpenedT:
    """Open a folder or a cached model, or else fetch it."""
    try:
        with without_progress_bars():
            return open_(True)
    except Exception as error:  # the hub, transformers and safetensors raise all kinds
        cause = error
    if not _is_folder(name):
        try:
            return open_(False)
        except Exception as error:
            cause = error
    if isinstance(cause, ImportError):  # some versions look for packages that a model needs
        raise cause
    raise ValueError(
        f"The {what} {name!r:.200} cannot be opened: {printable(str(cause))}\n"
        "Give the name of a model on the Hugging Face Hub, which needs the network the first time, "
        f"or {folder}."
    ) from cause
