"""Datasets of images in one folder per group."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from PIL import Image

from quaterion_core.dataset import SimilarityGroupSample, SplitDataset
from quaterion_core.dataset.targets import stable_id
from quaterion_cv.datasets.image_files import ImageFiles, OnError
from quaterion_cv.images import TurnedImage

_SPLITS: Final = ("train", "validation", "test")
_ItemT = TypeVar("_ItemT")


class ImageFolderDataset(SplitDataset):
    """Dataset read from folders of images, one per group, which is named after its folder.

    ::

        root/                        root/
          train/                       cat/
            cat/ 1.jpg 2.jpg             1.jpg 2.jpg 3.jpg
            dog/ 3.jpg                 dog/
          validation/                    4.jpg 5.jpg
            cat/ 4.jpg

    The splits are those of the folders ``train``, ``validation`` and ``test`` that exist in the
    root. Without a folder ``train``, as on the right, all images form the split ``train``, or
    ``shares`` of them form other splits. Splits in folders of other names are given as ``folders``.

    Samples are :class:`~quaterion_core.dataset.SimilarityGroupSample` in the order of the paths.
    The object is the :class:`~pathlib.Path` of an image, which is read when it is needed, in the
    workers of a loader. Images may be in subfolders of their group's folder, unless these are
    groups themselves; see ``group_folders``. Hidden files, files without the suffix of an image,
    and files outside the folders of groups are ignored.

    Args:
        root: The root folder; or several ones, such as ``["photos", "more_photos"]``, which are
            read as one: folders of the same name below them are one split or one group.
        folders: Folder of each split below the root, such as ``{"train": "train", "validation":
            "val"}``.
        shares: Share of each split except ``train``, which gets the rest, such as ``{"validation":
            0.1, "test": 0.1}``.
        divide: What ``shares`` divide: ``"samples"``, so that each split has a share of the images
            of every group, or ``"groups"``, so that each split has groups of its own, to measure
            how well a model generalises to new ones.
        seed: Seed of the division. The same seed and files give the same splits.
        group_folders: With ``"outermost"``, the folders directly below that of a split are the
            groups, with everything in them. With ``"innermost"``, the folders that contain images
            are the groups, at any depth, named by their path, such as ``"Greek/character01"``.
        turned_groups: Whether the split ``train`` also contains every image turned by 90, 180 and
            270 degrees, with each turn of a group as a group of its own. This gives four times as
            many samples and groups, for objects that mean something else when turned, such as
            characters. A turned image is a :class:`~quaterion_cv.images.TurnedImage`. Santoro et
            al., Meta-Learning with Memory-Augmented Neural Networks, ICML 2016, section 4.1.
        mirrored_groups: Whether the split ``train`` also contains every image mirrored, with the
            mirror images of a group as a group of its own: twice as many samples and groups, eight
            times as many with ``turned_groups``.
        on_error: With ``"raise"``, a broken image is an error when it is read. With ``"skip"``,
            broken images are left out and counted, for which every image is read once when its
            split is loaded. See :class:`~quaterion_cv.datasets.image_files.ImageFiles`.

    Raises:
        FileNotFoundError: A folder is missing.
        ValueError: An argument is out of range, or ``folders`` and ``shares`` are both given.

    Example:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp())
        >>> for group in ("cat", "dog"):
        ...     (root / group).mkdir()
        ...     for number in range(4):
        ...         Image.new("L", (8, 8)).save(root / group / f"{number}.png")
        >>> dataset = ImageFolderDataset(root, shares={"validation": 0.25})
        >>> [sample.group for sample in dataset.load("validation")]
        ['cat', 'dog']
    """

    def __init__(
        self,
        root: str | Path | Sequence[str | Path],
        *,
        folders: Mapping[str, str] | None = None,
        shares: Mapping[str, float] | None = None,
        divide: Literal["samples", "groups"] = "samples",
        seed: int = 0,
        group_folders: Literal["outermost", "innermost"] = "outermost",
        turned_groups: bool = False,
        mirrored_groups: bool = False,
        on_error: OnError = "raise",
    ):
        self.roots = [Path(root)] if isinstance(root, (str, Path)) else [Path(r) for r in root]
        if not self.roots:
            raise ValueError("Expected one or more root folders, got none.")
        for path in self.roots:
            if not path.is_dir():
                raise FileNotFoundError(f"There is no folder {path.absolute()}.")
        self._given_folders = None if folders is None else dict(folders)
        self.shares = _checked(shares or {})
        if folders and shares:
            raise ValueError(
                "Expected folders or shares, got both. Use folders if each split has a folder, or "
                "shares to divide the images of one folder."
            )
        if divide not in ("samples", "groups"):
            raise ValueError(f"Expected divide to be 'samples' or 'groups', got {divide!r}.")
        if group_folders not in ("outermost", "innermost"):
            raise ValueError(
                f"Expected group_folders to be 'outermost' or 'innermost', got {group_folders!r}."
            )
        self.divide = divide
        self.seed = seed
        self.group_folders = group_folders
        self.turned_groups = turned_groups
        self.mirrored_groups = mirrored_groups
        self._files = ImageFiles(on_error)
        self._folders = self._find_folders()

    def _find_folders(self) -> dict[str, list[Path]]:
        """Return the folders of each split.

        Raises:
            FileNotFoundError: A split that was named has none.
        """
        if self._given_folders:
            named = {split: self._below(name) for split, name in self._given_folders.items()}
            for split, folders in named.items():
                if not folders:
                    missing = self.roots[0].absolute() / self._given_folders[split]
                    raise FileNotFoundError(f"There is no folder {missing}.")
            return named
        if not self.shares and self._below(_SPLITS[0]):
            return {split: folders for split in _SPLITS if (folders := self._below(split))}
        return dict.fromkeys((_SPLITS[0], *self.shares), self.roots)

    def _below(self, name: str) -> list[Path]:
        """Return the folders of a name below the roots."""
        return [root / name for root in self.roots if (root / name).is_dir()]

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits."""
        return tuple(self._folders)

    @property
    def skipped(self) -> dict[str, str]:
        """Reasons why images of the splits loaded so far were left out, by path."""
        return dict(self._files.skipped)

    def load(self, split: str) -> Sequence[SimilarityGroupSample]:
        """List the images of a split.

        Raises:
            ValueError: There is no such split, or it has no images.
        """
        self.check_split(split)
        folders = self._folders[split]
        images = [
            (path, self._group(folder, path))
            for folder in folders
            for outermost in _folders_in(folder)
            for path in _images_in(outermost)
        ]
        shown = ", ".join(str(folder.absolute()) for folder in folders)
        if not images:
            raise ValueError(
                f"Expected a folder of images for each group, such as {folders[0].name}/cat/1.jpg, "
                f"got no images in {shown}."
            )
        if self.shares:
            images = self._part(split, images)
        readable = self._files.readable((path for path, _ in images), f"the split {split!r}")
        samples = [SimilarityGroupSample(path, group) for path, group in images if path in readable]
        if not samples:
            raise ValueError(
                f"No image of the split {split!r} of {shown} is left: "
                + (
                    "none of them can be read."
                    if images
                    else f"its share is too small for so few {self.divide}."
                )
            )
        return samples + self._changed(samples) if split == "train" else samples

    def _changed(self, samples: Sequence[SimilarityGroupSample]) -> list[SimilarityGroupSample]:
        """Return turned and mirrored images, as separate groups."""
        changed = []
        for mirrored in (False, True) if self.mirrored_groups else (False,):
            for turns in range(4 if self.turned_groups else 1):
                change = " mirrored" if mirrored else ""
                change += f" turned by {90 * turns} degrees" if turns else ""
                changed += [
                    SimilarityGroupSample(
                        TurnedImage(sample.obj, turns, mirrored), f"{sample.group}{change}"
                    )
                    for sample in samples
                    if change
                ]
        return changed

    def _group(self, folder: Path, path: Path) -> str:
        """Return the name of the group of an image in the folder of a split."""
        within = path.relative_to(folder)
        return within.parts[0] if self.group_folders == "outermost" else within.parent.as_posix()

    def _part(self, split: str, images: list[tuple[Path, str]]) -> list[tuple[Path, str]]:
        """Return the share of the images that belongs to a split."""

        def at_random(name: str) -> int:
            return stable_id((self.seed, name))

        def place(image: tuple[Path, str]) -> tuple[str, int]:
            path, group = image
            root = next(root for root in self.roots if path.is_relative_to(root))
            return group, at_random(path.relative_to(root).as_posix())

        if self.divide == "samples":
            chosen = set(_divide(sorted(images, key=place), self.shares)[split])
            return [image for image in images if image in chosen]
        groups = sorted({group for _, group in images}, key=at_random)
        chosen_groups = set(_divide(groups, self.shares)[split])
        return [(path, group) for path, group in images if group in chosen_groups]

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this dataset, as JSON values."""
        roots = [str(root) for root in self.roots]
        return {
            "root": roots[0] if len(roots) == 1 else roots,
            "folders": self._given_folders,
            "shares": dict(self.shares),
            "divide": self.divide,
            "seed": self.seed,
            "group_folders": self.group_folders,
            "turned_groups": self.turned_groups,
            "mirrored_groups": self.mirrored_groups,
            "on_error": self._files.on_error,
        }


def _checked(shares: Mapping[str, float]) -> dict[str, float]:
    if (
        "train" in shares
        or any(share <= 0 for share in shares.values())
        or sum(shares.values()) >= 1
    ):
        raise ValueError(
            "Expected shares of splits other than 'train', which gets the rest, as numbers above 0 "
            f"with a sum below 1, got {dict(shares)}."
        )
    return dict(shares)


def _divide(items: Iterable[_ItemT], shares: Mapping[str, float]) -> dict[str, list[_ItemT]]:
    """Take items at regular intervals for each split, so that adjacent items are spread evenly."""
    rest = list(items)
    left = 1.0
    parts: dict[str, list[_ItemT]] = {}
    for split, share in shares.items():
        step = share / left
        taken = [math.floor((n + 1) * step) > math.floor(n * step) for n in range(len(rest))]
        parts[split] = [item for item, is_taken in zip(rest, taken, strict=True) if is_taken]
        rest = [item for item, is_taken in zip(rest, taken, strict=True) if not is_taken]
        left -= share
    return {**parts, "train": rest}


def _folders_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")


def _images_in(folder: Path) -> list[Path]:
    suffixes = _image_suffixes()
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in suffixes and path.name[0] != "." and path.is_file()
    )


@cache
def _image_suffixes() -> frozenset[str]:
    """Return the suffixes of files that Pillow can read, such as ``.jpg``."""
    named = Image.registered_extensions()
    return frozenset(suffix for suffix, kind in named.items() if kind in Image.OPEN)
