"""Configurations that earlier versions of a component saved, translated to its present one."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from quaterion_core.plugins import MissingComponentError, is_id, registry
from quaterion_core.storage import InvalidFolderError, UnsupportedFormatError
from quaterion_core.storage.construction import check_integers

VERSION_KEY: Final = "config_version"
"""Key of the version beside the id of a component; version 1 is not written."""

_DESCRIPTION: Final = frozenset({"component", "config", VERSION_KEY})


class VersionedConfig:
    """Mixin of components whose configurations have versions."""

    config_version: ClassVar[int] = 1
    """Version of the configuration; raise it when :meth:`get_config_dict` changes its form."""

    @classmethod
    def migrate_config(cls, config: dict[str, Any], version: int) -> dict[str, Any]:
        """Translate a configuration that an earlier version saved to the present form.

        It is called when a saved model is loaded whose ``config_version`` is lower. The
        configuration is untrusted; the result is checked like one of the present version.

        Args:
            config: The configuration, which may be changed.
            version: Its version, from 1 to ``config_version`` - 1.

        Returns:
            The configuration as :meth:`get_config_dict` returns it now.

        Raises:
            NotImplementedError: ``config_version`` was raised without overriding this method.
        """
        raise NotImplementedError(f"{cls.__name__} does not override migrate_config().")


def config_version(cls: type[Any]) -> int:
    """Return the version of the configurations that a component saves; 1 by default."""
    return int(getattr(cls, "config_version", 1))


def version_entry(cls: type[Any]) -> dict[str, int]:
    """Return the version of a component's configuration as it is saved beside the id."""
    version = config_version(cls)
    return {} if version == 1 else {VERSION_KEY: version}


def migrated(
    kind: str, name: str, config: dict[str, Any], version: object, source: str
) -> dict[str, Any]:
    """Return a saved configuration as the installed version of its component would save it.

    Components inside of it, which are of the same kind, are translated, too: their ids become the
    present ones.

    Args:
        kind: ``encoder`` or ``head``.
        name: Id of the component.
        config: Its configuration, from an untrusted file; it is not changed.
        version: The version of the configuration.
        source: The file, for errors.

    Raises:
        UnsupportedFormatError: The version is newer than the installed one.
        InvalidFolderError: The configuration cannot be translated.
    """
    cls = registry.load(kind, name)
    newest = config_version(cls)
    if type(version) is not int or version < 1:
        raise InvalidFolderError(
            f"{source} states {version!r:.80} as the version of the configuration of {name}, which "
            "is no positive integer. It was changed after saving."
        )
    if version > newest:
        raise UnsupportedFormatError(
            f"{source} holds a configuration of {name} in version {version}, but the installed "
            f"package reads up to version {newest}. Upgrade the package that brings {name}."
        )
    if version < newest:
        check_integers(config, source)
        config = _translated(cls, copy.deepcopy(config), version, source)
        check_integers(config, source)
    return {key: _nested(kind, value, source) for key, value in config.items()}


def _translated(
    cls: type[Any], config: dict[str, Any], version: int, source: str
) -> dict[str, Any]:
    """Let a class translate a configuration."""
    problem = (
        f"{source} holds a configuration of {cls.__name__} in version {version}, which its "
        "migrate_config cannot translate"
    )
    try:
        found: object = cls.migrate_config(config, version)
    except Exception as error:  # a plugin's own code, given what an attacker may have written
        raise InvalidFolderError(f"{problem}: {type(error).__name__}: {error}") from error
    if not isinstance(found, dict):
        raise InvalidFolderError(f"{problem}: it returned {found!r:.80}, not a dictionary.")
    return found


def _nested(kind: str, value: Any, source: str) -> Any:
    """Translate the descriptions of components inside of a configuration."""
    if isinstance(value, list):
        return [_nested(kind, item, source) for item in value]
    if not isinstance(value, Mapping):
        return value
    name, config = value.get("component"), value.get("config")
    if not isinstance(name, str) or not is_id(name) or not isinstance(config, dict):
        return {key: _nested(kind, item, source) for key, item in value.items()}
    if value.keys() - _DESCRIPTION:
        return value  # of some other form, which its owner checks
    try:
        cls = registry.load(kind, name)
    except MissingComponentError:
        return value  # its owner reports it
    present = name if name.startswith("local/") else registry.id_of(kind, cls) or name
    return {
        "component": present,
        "config": migrated(kind, name, config, value.get(VERSION_KEY, 1), source),
        **version_entry(cls),
    }
