"""Schema of the saved configuration of a :class:`TimmEncoder`."""

from __future__ import annotations

import math
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from quaterion_core.storage import NotSavableError
from quaterion_core.utils.faults import first_fault

_Scalar: TypeAlias = (
    bool
    | Annotated[int, Field(ge=-1_000_000, le=1_000_000)]
    | float
    | Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{0,100}$")]
    | None
)
_Value: TypeAlias = _Scalar | Annotated[list[_Scalar], Field(max_length=100)]
_Side: TypeAlias = Annotated[int, Field(ge=1, le=8192)]
_Name: TypeAlias = Annotated[
    str,
    Field(
        pattern=r"^(?!.*(pretrained|checkpoint|cache|file|url|hub|hf_|custom|scriptable|exportable"
        r"|features_only))[a-z0-9_]{1,60}$"
    ),
]
"""Arguments of timm's models, but none that leads to files, weights or another kind."""

_LARGEST_AREA: Final = 2048 * 2048


def _bounded_area(sides: list[int]) -> list[int]:
    """Refuse images that take more than 50 MB each, whatever the size of the model."""
    if math.prod(sides) > _LARGEST_AREA:
        raise ValueError(f"more than {_LARGEST_AREA:,} pixels")
    return sides


_Colour: TypeAlias = (
    Annotated[str, Field(pattern=r"^[#A-Za-z0-9(),.% ]{1,60}$")]
    | Annotated[list[Annotated[int, Field(ge=0, le=255)]], Field(min_length=3, max_length=4)]
)


class _Schema(BaseModel):
    model_config = ConfigDict(
        extra="forbid", strict=True, protected_namespaces=(), regex_engine="python-re"
    )


class _DataConfig(_Schema):
    interpolation: Annotated[str, Field(pattern=r"^[a-z-]{1,30}$")]
    mean: list[Annotated[float, Field(ge=-1e6, le=1e6)]] = Field(max_length=10_000)
    std: list[Annotated[float, Field(ge=1e-6, le=1e6)]] = Field(max_length=10_000)
    crop_pct: float = Field(ge=0.05, le=2)
    crop_mode: Annotated[str, Field(pattern=r"^[a-z-]{1,30}$")]


class SavedTimmConfig(_Schema):
    """The entries of ``config.json``; those with a default are not in older ones."""

    model: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,200}$")
    pretrained: Literal[False]
    trainable: bool
    train_stages: Annotated[int, Field(ge=1, le=1000)] | None = None
    pooling: Literal["gem"] | None = None
    in_chans: int = Field(ge=1, le=10_000)
    image_size: Annotated[list[_Side], AfterValidator(_bounded_area)] = Field(
        min_length=2, max_length=2
    )
    data_config: _DataConfig
    augmentation: list[str | dict[str, Any]] = Field(default_factory=list, max_length=50)
    background: _Colour = "white"
    model_kwargs: dict[_Name, _Value]


def check_savable(config: dict[str, Any]) -> None:
    """Refuse to save a configuration that could not be loaded.

    Raises:
        NotSavableError: A value is out of range.
    """
    try:
        SavedTimmConfig.model_validate(config)
    except ValidationError as error:
        raise NotSavableError(
            f"This TimmEncoder cannot be saved, since it could not be loaded: {first_fault(error)}."
        ) from error
