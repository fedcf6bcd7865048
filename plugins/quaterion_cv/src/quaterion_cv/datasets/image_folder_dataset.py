"""Images in folders, one for each group."""

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
    """Reads folders of images, one for each group, which is named like its folder.

    ::

        root/                        root/
          train/                       cat/
            cat/ 1.jpg 2.jpg             1.jpg 2.jpg 3.jpg
            dog/ 3.jpg                 dog/
          validation/                    4.jpg 5.jpg
            cat/ 4.jpg

    The splits are the folders ``train``, ``validation`` and ``test`` of the root, as far as there
    are any, and if there is no ``train``, all is one split of that name, as on the right. Folders
    of other names are given as ``folders``. Or ``shares`` of the images on the right are set aside.

    Samples are :class:`~quaterion_core.dataset.SimilarityGroupSample` in the order of the paths.
    The object is the :class:`~pathlib.Path` of an image, which is read where it is needed, in the
    workers of a loader. Images may lie in folders within that of their group, unless these are
    groups, too; see ``group_folders``. Files that are not named like an image, hidden ones, and
    those outside of the folders of groups do not count.

    Args:
        root: The folder.
        folders: The folder of each split below the root, such as
            ``{"train": "train", "validation": "val"}``.
        shares: The share of each split but ``train``, which gets the rest, such as
            ``{"validation": 0.1, "test": 0.1}``.
        divide: What is divided by ``shares``: ``"samples"``, so that each group has its share of
            images in each split, or ``"groups"``, so that each split has groups of its own, which
            tells how well a model does on new ones.
        seed: Which images or groups it is. The same seed and files make the same splits.
        group_folders: ``"outermost"``: the folders right below that of a split are the groups, with
            all that is in them. ``"innermost"``: those in which images lie, however deep; a group
            is then named by its whole path, such as ``"Greek/character01"``.
        turned_groups: Have the split ``train`` hold every image also turned by 90, 180 and 270
            degrees, each turn of a group as a group of its own: four times as many samples and
            groups, for what means something else once it is turned, such as characters. A turned
            image is a :class:`~quaterion_cv.images.TurnedImage`. Santoro et al., Meta-Learning
            with Memory-Augmented Neural Networks, ICML 2016, section 4.1.
        mirrored_groups: Have the split ``train`` hold every image also mirrored, the mirror images
            of a group as a group of its own: twice as many samples and groups, eight times with
            ``turned_groups``.
        on_error: ``"raise"``: a broken image stops the run when it is read, with its name.
            ``"skip"``: broken images are left out and counted; for that, each one is read once
            when its split is loaded. See :class:`~quaterion_cv.datasets.image_files.ImageFiles`.

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
        root: str | Path,
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
        self.root = Path(root)
        self._given_folders = None if folders is None else dict(folders)
        self.shares = _checked(shares or {})
        if folders and shares:
            raise ValueError(
                "folders and shares both make splits. Give folders where each split has one, or "
                "shares to divide the images of one folder."
            )
        if divide not in ("samples", "groups"):
            raise ValueError(f"divide is 'samples' or 'groups', but got {divide!r}.")
        if group_folders not in ("outermost", "innermost"):
            raise ValueError(
                f"group_folders is 'outermost' or 'innermost', but got {group_folders!r}."
            )
        self.divide = divide
        self.seed = seed
        self.group_folders = group_folders
        self.turned_groups = turned_groups
        self.mirrored_groups = mirrored_groups
        self._files = ImageFiles(on_error)
        self._folders = self._find_folders()
        for folder in self._folders.values():
            if not folder.is_dir():
                raise FileNotFoundError(f"There is no folder {folder.absolute()}.")

    def _find_folders(self) -> dict[str, Path]:
        if self._given_folders:
            return {split: self.root / name for split, name in self._given_folders.items()}
        if not self.shares and (self.root / _SPLITS[0]).is_dir():
            present = {split: self.root / split for split in _SPLITS}
            return {split: folder for split, folder in present.items() if folder.is_dir()}
        return dict.fromkeys((_SPLITS[0], *self.shares), self.root)

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits."""
        return tuple(self._folders)

    @property
    def skipped(self) -> dict[str, str]:
        """Why images of the splits that were loaded so far are left out, by path."""
        return dict(self._files.skipped)

    def load(self, split: str) -> Sequence[SimilarityGroupSample]:
        """List the images of a split.

        Raises:
            ValueError: There is no such split, or it has no images.
        """
        self.check_split(split)
        folder = self._folders[split]
        images = [
            (path, self._group(folder, path))
            for outermost in _folders_in(folder)
            for path in _images_in(outermost)
        ]
        if not images:
            raise ValueError(
                f"{folder.absolute()} has no images. Expected was a folder for each group, with "
                f"images in it, such as {folder.name}/cat/1.jpg."
            )
        if self.shares:
            images = self._part(split, images)
        readable = self._files.readable((path for path, _ in images), f"the split {split!r}")
        samples = [SimilarityGroupSample(path, group) for path, group in images if path in readable]
        if not samples:
            raise ValueError(
                f"No image of the split {split!r} of {folder.absolute()} is left: "
                + (
                    "none of them can be read."
                    if images
                    else f"its share is too small for so few {self.divide}."
                )
            )
        return samples + self._changed(samples) if split == "train" else samples

    def _changed(self, samples: Sequence[SimilarityGroupSample]) -> list[SimilarityGroupSample]:
        """Return turned and mirrored images, as groups of their own."""
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
        """Name the group of an image of the folder of a split."""
        within = path.relative_to(folder)
        return within.parts[0] if self.group_folders == "outermost" else within.parent.as_posix()

    def _part(self, split: str, images: list[tuple[Path, str]]) -> list[tuple[Path, str]]:
        """Return the images of a split that has a share of them."""

        def at_random(name: str) -> int:
            return stable_id((self.seed, name))

        def place(image: tuple[Path, str]) -> tuple[str, int]:
            path, group = image
            return group, at_random(path.relative_to(self.root).as_posix())

        if self.divide == "samples":
            chosen = set(_divide(sorted(images, key=place), self.shares)[split])
            return [image for image in images if image in chosen]
        groups = sorted({group for _, group in images}, key=at_random)
        chosen_groups = set(_divide(groups, self.shares)[split])
        return [(path, group) for path, group in images if group in chosen_groups]

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this dataset, as JSON values."""
        return {
            "root": str(self.root),
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
            "shares are those of the splits but 'train', which gets the rest: numbers above 0 that "
            f"make less than 1 together, but got {dict(shares)}."
        )
    return dict(shares)


def _divide(items: Iterable[_ItemT], shares: Mapping[str, float]) -> dict[str, list[_ItemT]]:
    """Take every so many-th item for each split; what is next to one another is spread evenly."""
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
    """Return how the files are named that Pillow reads, such as ``.jpg``."""
    named = Image.registered_extensions()
    return frozenset(suffix for suffix, kind in named.items() if kind in Image.OPEN)
