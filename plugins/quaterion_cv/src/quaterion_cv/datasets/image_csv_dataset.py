"""Datasets read from CSV files with paths of images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from quaterion_core.dataset.missing import is_missing
from quaterion_core.dataset.readers import CsvDataset, Files, Quoting
from quaterion_core.dataset.sample_columns import Row
from quaterion_core.dataset.similarity_samples import SimilaritySample
from quaterion_cv.datasets.image_files import ImageFiles, OnError


class ImageCsvDataset(CsvDataset):
    r"""Dataset read from CSV files whose objects are paths of images.

    The columns are named as for :class:`~quaterion_core.dataset.readers.CsvDataset`: those of a
    group sample (``obj`` and ``group``), or of a pair (``obj_a``, ``obj_b``, and optionally
    ``negatives``, ``score``, ``subgroup``). By default, they are the columns ``path`` and ``group``
    of a group sample.

    The object of a sample is the :class:`~pathlib.Path` of an image, which is read when it is
    needed, in the workers of a loader.

    Args:
        files: The files of each split, or the fraction of ``train`` that it gets, such as
            ``{"train": "images.csv", "validation": 0.1}``.
        root: Folder that the paths are relative to; by default, the folder of the CSV file. Of
            several folders, an image is taken from the first one that has it.
        delimiter: The character that separates values; by default a comma, or a tab in a TSV file.
        encoding: The encoding of the files.
        quoting: What a quote means; see :class:`~quaterion_core.dataset.readers.CsvDataset`.
        on_error: With ``"raise"``, missing images are an error when the split is loaded, and a
            broken image is an error when it is read. With ``"skip"``, samples with missing or
            broken images are left out and these images are counted, for which every image is read
            once when its split is loaded. See
            :class:`~quaterion_cv.datasets.image_files.ImageFiles`.
        text: Column ``obj_a`` or ``obj_b`` of a pair, if it contains texts instead of paths, for
            pairs of a caption and an image.
        obj_a: Column of a pair's first image.
        obj_b: Column of a pair's second image.
        negatives: Column or columns of hard negatives; see
            :class:`~quaterion_core.dataset.sample_columns.SampleColumns`.
        score: Column of a pair's score; by default every pair has score 1.
        subgroup: Column of a pair's subgroup.
        obj: Column of a group sample's image.
        group: Column of a group sample's group.
        score_range: Lowest and highest score of the data, such as ``[0, 5]``, which are mapped to 0
            and 1. By default, scores are unchanged.
        limit: The number of rows to read of each split; all by default.
        seed: Seed of the division into fractions.

    Raises:
        ValueError: The columns describe neither pairs nor group samples, or both, or ``text`` is
            not a column of an object of a pair.

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
        files: Mapping[str, Files | float],
        *,
        root: str | Path | Sequence[str | Path] | None = None,
        delimiter: str | None = None,
        encoding: str = "utf-8",
        quoting: Quoting = "auto",
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
        limit: int | None = None,
        seed: int = 0,
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
            delimiter=delimiter,
            encoding=encoding,
            quoting=quoting,
            on_error=on_error,
            limit=limit,
            seed=seed,
        )
        if text is not None and text not in (obj_a, obj_b):
            raise ValueError(
                f"Expected text to be the column obj_a ({obj_a!r}) or obj_b ({obj_b!r}) of a pair, "
                f"got {text!r}."
            )
        given = [root] if isinstance(root, (str, Path)) else root or ()
        self.roots = [Path(folder) for folder in given]
        self.text = text
        fields = {"obj": obj, "obj_a": obj_a, "obj_b": obj_b}
        self._path_fields = [
            field for field, column in fields.items() if column is not None and column != text
        ]
        if not self._path_fields:
            raise ValueError(
                f"Expected a column of images, but both columns of a pair are {text!r}."
            )
        named = [negatives] if isinstance(negatives, str) else list(negatives or [])
        columns = [obj, obj_a, obj_b, *(named if "obj_b" in self._path_fields else [])]
        self._path_columns = {column for column in columns if column not in (None, text)}
        self._images = ImageFiles(on_error)

    @property
    def skipped(self) -> dict[str, str]:
        """Reasons why images of the splits loaded so far were left out, by path."""
        return dict(self._images.skipped)

    def load(self, split: str) -> Sequence[SimilaritySample]:
        """Read all samples of a split.

        Raises:
            ValueError: There is no such split, rows cannot be read, or no sample is left.
            FileNotFoundError: The file of the split is missing, or images that are not skipped.
        """
        samples = super().load(split)
        place = ", ".join(map(str, self._paths("train" if split in self._fractions else split)))
        readable = self._images.readable(
            (path for sample in samples for path in self._images_of(sample)), place
        )
        left = [sample for sample in samples if readable.issuperset(self._images_of(sample))]
        if samples and not left:
            raise ValueError(f"No sample of {place} is left: none of its images can be read.")
        return left

    def _rows(self, path: Path) -> Iterator[tuple[str, Row]]:
        for place, row in super()._rows(path):
            if isinstance(row, ValueError):
                yield place, row
                continue
            placed = {
                column: self._placed(row[column], path)
                for column in self._path_columns
                if not is_missing(row[column])
            }
            yield place, {**row, **placed}

    def _placed(self, name: str, file: Path) -> Path:
        """Return the path of an image in the first folder that has it."""
        candidates = [root / name for root in self.roots or [file.parent]]
        if len(candidates) == 1:
            return candidates[0]
        return next((path for path in candidates if path.is_file()), candidates[0])

    def _images_of(self, sample: SimilaritySample) -> list[Path]:
        return [getattr(sample, field) for field in self._path_fields]

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this dataset, as JSON values."""
        roots = [str(root) for root in self.roots]
        return {
            **super().get_config_dict(),
            "root": roots[0] if len(roots) == 1 else roots or None,
            "on_error": self._images.on_error,
            "text": self.text,
        }
