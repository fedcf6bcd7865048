"""CSV files that name images by their paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from quaterion_core.dataset.readers import CsvDataset
from quaterion_core.dataset.similarity_samples import SimilaritySample
from quaterion_cv.datasets.image_files import ImageFiles, OnError


class ImageCsvDataset(CsvDataset):
    r"""Reads CSV files with a header line whose objects are paths of images.

    The columns are named as for :class:`~quaterion_core.dataset.readers.CsvDataset`: those of a
    group sample (``obj`` and ``group``), or of a pair (``obj_a``, ``obj_b``, and optionally
    ``negatives``, ``score``, ``subgroup``). Without any, they are the columns ``path`` and
    ``group``.

    The object of a sample is the :class:`~pathlib.Path` of an image, which is read where it is
    needed, in the workers of a loader.

    Args:
        files: Path of the file of each split, such as ``{"train": "train.csv"}``.
        root: The folder that the paths are relative to; by default that of the CSV file.
        on_error: ``"raise"``: missing images are an error when the split is loaded, a broken one
            stops the run when it is read, with its name. ``"skip"``: the samples with an image
            that is missing or broken are left out, and these images are counted; for that, each
            one is read once when its split is loaded. See
            :class:`~quaterion_cv.datasets.image_files.ImageFiles`.
        text: The one of a pair's two columns that holds texts instead of paths, for pairs of a
            caption and an image.
        obj_a: Column of a pair's first image.
        obj_b: Column of a pair's second image.
        negatives: Column of hard negatives, or several; see
            :class:`~quaterion_core.dataset.sample_columns.SampleColumns`.
        score: Column of a pair's score; without it every pair has score 1.
        subgroup: Column of a pair's subgroup.
        obj: Column of a group sample's image.
        group: Column of a group sample's group.
        score_range: The lowest and the highest score of the data, such as ``[0, 5]``; they become
            0 and 1. By default scores stay as they are.

    Raises:
        ValueError: The columns name neither a pair nor a group sample, or both, or ``text`` is
            none of those of a pair.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> folder = Path(tempfile.mkdtemp())
        >>> Image.new("L", (8, 8)).save(folder / "7.png")
        >>> _ = (folder / "train.csv").write_text("path,group\n7.png,seven")
        >>> (sample,) = ImageCsvDataset({"train": folder / "train.csv"}).load("train")
        >>> sample.obj == folder / "7.png", sample.group
        (True, 'seven')
    """

    def __init__(
        self,
        files: Mapping[str, str | Path],
        *,
        root: str | Path | None = None,
        on_error: OnError = "raise",
        text: str | None = None,
        obj_a: str | None = None,
        obj_b: str | None = None,
        negatives: str | Sequence[str] | None = None,
        score: str | None = None,
        subgroup: str | None = None,
        obj: str | None = None,
        group: str | None = None,
        score_range: Sequence[float] | None = None,
    ):
        if not any((obj_a, obj_b, negatives, score, subgroup, obj, group)):
            obj, group = "path", "group"
        super().__init__(
            files,
            obj_a=obj_a,
            obj_b=obj_b,
            negatives=negatives,
            score=score,
            subgroup=subgroup,
            obj=obj,
            group=group,
            score_range=score_range,
        )
        if text is not None and text not in (obj_a, obj_b):
            raise ValueError(
                f"text is {text!r}, but should be the column obj_a ({obj_a!r}) or obj_b "
                f"({obj_b!r}) of a pair."
            )
        self.root = None if root is None else Path(root)
        self.text = text
        fields = {"obj": obj, "obj_a": obj_a, "obj_b": obj_b}
        self._path_fields = [
            field for field, column in fields.items() if column is not None and column != text
        ]
        if not self._path_fields:
            raise ValueError(f"Both columns of a pair are {text!r}, so that there are no images.")
        self._images = ImageFiles(on_error)

    @property
    def skipped(self) -> dict[str, str]:
        """Why images of the splits that were loaded so far are left out, by path."""
        return dict(self._images.skipped)

    def load(self, split: str) -> Sequence[SimilaritySample]:
        """Read all samples of a split.

        Raises:
            ValueError: No such split, a row that cannot be read, which the error names, or no
                sample is left.
            FileNotFoundError: The split's file is missing, or images are that are not skipped.
        """
        samples = super().load(split)
        file = self._files[split]
        root = file.parent if self.root is None else self.root
        placed = [
            replace(sample, **{field: root / getattr(sample, field) for field in self._path_fields})
            for sample in samples
        ]
        readable = self._images.readable(
            (path for sample in placed for path in self._paths(sample)), str(file)
        )
        left = [sample for sample in placed if readable.issuperset(self._paths(sample))]
        if samples and not left:
            raise ValueError(f"No sample of {file} is left: none of its images can be read.")
        return left

    def _paths(self, sample: SimilaritySample) -> list[Path]:
        return [getattr(sample, field) for field in self._path_fields]

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that build this dataset again, as JSON values."""
        return {
            **super().get_config_dict(),
            "root": None if self.root is None else str(self.root),
            "on_error": self._images.on_error,
            "text": self.text,
        }
