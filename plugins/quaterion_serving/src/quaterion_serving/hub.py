"""Saved models on the Hugging Face Hub: pushed as they are saved, loaded at a pinned commit."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final, NamedTuple

from quaterion_core import SimilarityModel
from quaterion_core.model_folder import CONFIG_FILE
from quaterion_core.storage import InvalidFolderError, open_saved_folder, read_json

SCHEME: Final = "hf://"
README: Final = "README.md"

_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_REPOSITORY: Final = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")
_SUFFIXES: Final = {".json", ".model", ".safetensors", ".txt"}
_MOST_FILES: Final = 1000


class Address(NamedTuple):
    """Where a model lies on the Hub.

    Attributes:
        repository: ``owner/name``.
        revision: A commit, branch or tag.
    """

    repository: str
    revision: str


def push_to_hub(
    model: SimilarityModel | str | os.PathLike[str],
    repository: str,
    *,
    branch: str = "main",
    private: bool = True,
    message: str = "Save a similarity model of Quaterion",
    token: str | None = None,
) -> str:
    """Push a model to a repository of the Hugging Face Hub, in one commit.

    Only the files that ``save`` writes, and a ``README.md`` beside them, are uploaded: JSON and
    safetensors. Encoders and head of an earlier model are removed from the branch.

    Args:
        model: A model, or the folder that it is saved in.
        repository: ``owner/name``; it is made if it does not exist.
        branch: The branch.
        private: Whether a repository that is made is private.
        message: Message of the commit.
        token: Token of the Hub; by default the one that this user is logged in with.

    Returns:
        The address of the model at its commit, for :func:`load_from_hub`.

    Raises:
        ValueError: ``repository`` is not of the form ``owner/name``.
        InvalidFolderError: The folder is not a saved model, or was changed.
        ImportError: huggingface_hub is missing.
    """
    if not _REPOSITORY.fullmatch(repository):
        raise ValueError(f"Expected repository to be 'owner/name', got {repository!r:.200}.")
    api = _api(token)
    with tempfile.TemporaryDirectory() as temporary:
        saved = Path(temporary, "saved")
        if isinstance(model, SimilarityModel):
            model.save(saved)
        else:
            saved = Path(model)
        with open_saved_folder(saved) as folder:
            config = folder.read_json(CONFIG_FILE)
            names = _listed_files(config, str(saved / CONFIG_FILE))
            folder.with_checksums(config["files"]).verify()
            with folder.private_copy([*names, *({README} & {*folder.files})]) as copied:
                api.create_repo(repository, private=private, exist_ok=True)
                commit = api.upload_folder(
                    repo_id=repository,
                    folder_path=str(copied),
                    revision=branch,
                    commit_message=message,
                    delete_patterns=["encoders/*", "head/*"],
                )
    return f"{SCHEME}{repository}@{commit.oid}"


def load_from_hub(
    address: str,
    *,
    token: str | None = None,
    components: Mapping[str, type] | None = None,
) -> SimilarityModel:
    """Load a model from the Hugging Face Hub, at a commit.

    A branch or a tag can be moved to another model by the owner of the repository, so the commit
    has to be given. Only ``config.json`` and the files that it lists are downloaded, to the cache
    of huggingface_hub, and then read as any saved model.

    Args:
        address: ``hf://owner/name@commit``, with all 40 digits of the commit.
        token: Token of the Hub; by default the one that this user is logged in with.
        components: See :meth:`quaterion_core.SimilarityModel.load`.

    Raises:
        ValueError: The address is malformed, or its revision is not a commit; the error gives the
            commit.
        InvalidFolderError: What lies there is not a saved model.
        ImportError: huggingface_hub is missing.
    """
    repository, revision = parse_address(address)
    api = _api(token)
    if not _COMMIT.fullmatch(revision):
        commit = api.repo_info(repository, revision=revision).sha
        raise ValueError(
            f"{address} names the revision {revision!r}, which may change. Its commit is now "
            f"{commit}: load {SCHEME}{repository}@{commit}"
        )
    options = {"repo_id": repository, "revision": revision}
    config_file = Path(api.hf_hub_download(filename=CONFIG_FILE, **options)).resolve()
    names = _listed_files(read_json(config_file), f"{address}/{CONFIG_FILE}")
    snapshot = Path(api.snapshot_download(allow_patterns=names, **options))
    with tempfile.TemporaryDirectory() as temporary:
        for name in names:
            source, target = (snapshot / name).resolve(), Path(temporary, name)
            if not source.is_file():
                raise InvalidFolderError(f"{address} is incomplete: the file {name} is missing.")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        return SimilarityModel.load(temporary, components=components)


def parse_address(address: str) -> Address:
    """Read an address on the Hub.

    Raises:
        ValueError: It is malformed.

    Example:
        >>> parse_address("hf://my-team/faq@main")
        Address(repository='my-team/faq', revision='main')
    """
    repository, at, revision = address.removeprefix(SCHEME).partition("@")
    if (
        not address.startswith(SCHEME)
        or not _REPOSITORY.fullmatch(repository)
        or (at and not revision)
    ):
        raise ValueError(
            f"Expected an address of the form hf://owner/name@commit, got {address!r:.200}."
        )
    return Address(repository, revision or "main")


def _listed_files(config: Mapping[str, Any], source: str) -> list[str]:
    """Return ``config.json`` and the files that it lists.

    Raises:
        InvalidFolderError: It lists none, or one that saving does not write.
    """
    files = config.get("files")
    if not isinstance(files, dict) or len(files) > _MOST_FILES:
        raise InvalidFolderError(f"{source} does not belong to a saved model: it lists no files.")
    for name in files:
        path = PurePosixPath(name)
        parts = name.split("/")
        is_plain = len(parts) > 1 and all(re.fullmatch(r"\w[\w.-]*", part) for part in parts)
        if not is_plain or path.suffix not in _SUFFIXES:
            raise InvalidFolderError(
                f"{source} lists {name!r:.200}, which is no file that saving writes."
            )
    return [CONFIG_FILE, *files]


def _api(token: str | None) -> Any:
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise ImportError(
            'The Hugging Face Hub needs huggingface_hub: pip install "quaterion-serving[hub]".'
        ) from error
    return HfApi(token=token)
