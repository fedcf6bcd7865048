"""Datasets of the Hugging Face Hub, or in a format of its library."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from quaterion_core.dataset.sample_columns import SampleColumns
from quaterion_core.dataset.similarity_samples import SimilaritySample
from quaterion_core.dataset.split_dataset import SplitDataset


class HuggingFaceDataset(SplitDataset):
    """Dataset read with Hugging Face's ``datasets``: from the hub, a folder or files.

    Requires that library (``quaterion-core[hugging-face]``). Code that comes with a dataset is
    never executed. In a recipe::

        data:
          name: hugging-face
          path: sentence-transformers/natural-questions
          splits: {train: "train[1000:]", validation: "train[:1000]"}
          obj_a: query
          obj_b: answer

    Args:
        path: Name of a dataset on the hub, which is downloaded unless it is cached; a folder
            written by ``save_to_disk``; a folder of data files; or the format of the
            ``data_files``: ``"json"``, ``"csv"``, ``"parquet"``, ...
        subset: Configuration of a dataset that has several, such as a language.
        data_files: File or files of each split, where ``path`` does not name them.
        splits: Mapping of the names of splits here to splits of the dataset, or to slices such as
            ``"train[:10%]"`` (not for a folder of ``save_to_disk``). By default, all splits under
            their own names.
        obj_a: Column of a pair's first object, the anchor; for retrieval, the query.
        obj_b: Column of a pair's second object, the positive.
        negatives: Column or columns of hard negatives; see
            :class:`~quaterion_core.dataset.sample_columns.SampleColumns`.
        score: Column of a pair's score; by default every pair has score 1.
        subgroup: Column of a pair's subgroup.
        obj: Column of a group sample's object.
        group: Column of a group sample's group.
        score_range: Lowest and highest score of the data, such as ``[0, 5]``, which are mapped to 0
            and 1. By default, scores are unchanged.

    Raises:
        ValueError: The columns describe neither pairs nor group samples, or both.
        ImportError: ``datasets`` is not installed.

    Example:
        >>> import tempfile
        >>> import datasets
        >>> folder = tempfile.mkdtemp()
        >>> faq = datasets.Dataset.from_dict({"question": ["Is it free?"], "answer": ["Yes."]})
        >>> datasets.DatasetDict({"train": faq}).save_to_disk(folder)
        >>> HuggingFaceDataset(folder, obj_a="question", obj_b="answer").load("train")
        [SimilarityPairSample(obj_a='Is it free?', obj_b='Yes.', score=1.0, subgroup=None)]
    """

    hub_arguments: ClassVar[Collection[str]] = ("path", "data_files")
    """Arguments that may be names on the hub: a recipe treats them as paths if the path exists."""

    def __init__(
        self,
        path: str | Path,
        *,
        subset: str | None = None,
        data_files: Mapping[str, str | Path | Sequence[str | Path]] | None = None,
        splits: Mapping[str, str] | None = None,
        obj_a: str | None = None,
        obj_b: str | None = None,
        negatives: str | Sequence[str] | None = None,
        score: str | None = None,
        subgroup: str | None = None,
        obj: str | None = None,
        group: str | None = None,
        score_range: Sequence[float] | None = None,
    ):
        self._columns = SampleColumns(
            obj_a, obj_b, negatives, score, subgroup, obj, group, score_range
        )
        self._path = str(path)
        self._subset = subset
        self._data_files = data_files and {
            split: [str(file) for file in files] if isinstance(files, (list, tuple)) else str(files)
            for split, files in data_files.items()
        }
        self._given_splits = splits
        _datasets()

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits: those given, or all of the dataset."""
        return tuple(self._sources)

    def load(self, split: str) -> Sequence[SimilaritySample]:
        """Read all samples of a split.

        Raises:
            ValueError: There is no such split or column, or a row cannot be read; the error names
                the row.
        """
        self.check_split(split)
        source = self._sources[split]
        place = f"{self._path}, {source}"
        table = self._table(source)
        self._columns.check(table.column_names, place)
        rows = table.select_columns(self._columns.names)
        return self._columns.read((f"{place}, row {n}", row) for n, row in enumerate(rows))

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this dataset, as JSON values."""
        return {
            "path": self._path,
            "subset": self._subset,
            "data_files": self._data_files,
            "splits": self._given_splits,
            **self._columns.get_config_dict(),
        }

    @cached_property
    def _sources(self) -> dict[str, str]:
        """Name of each split in the dataset."""
        if self._given_splits is not None:
            return dict(self._given_splits)
        if self._saved is not None:
            return {name: name for name in self._saved}
        names = _datasets().get_dataset_split_names(
            self._path, self._subset, data_files=self._data_files
        )
        return {str(name): str(name) for name in names}

    @cached_property
    def _saved(self) -> Mapping[str, Any] | None:
        """Splits of a folder written by ``save_to_disk``; ``None`` for any other source."""
        folder = Path(self._path)
        if (folder / "dataset_dict.json").is_file():
            splits: Mapping[str, Any] = _datasets().load_from_disk(self._path)
            return splits
        if (folder / "state.json").is_file():
            table = _datasets().load_from_disk(self._path)
            return {str(table.split or "train"): table}
        return None

    def _table(self, source: str) -> Any:
        if self._saved is None:
            return _datasets().load_dataset(
                self._path, self._subset, data_files=self._data_files, split=source
            )
        if source not in self._saved:
            raise ValueError(
                f"{self._path} has no split {source!r}. It has: {', '.join(self._saved)}."
            )
        return self._saved[source]


def _datasets() -> Any:
    """Import the library on first use, as this takes a second."""
    try:
        import datasets
    except ImportError as error:
        raise ImportError(
            "The dataset 'hugging-face' requires Hugging Face's datasets. Install it with: "
            'pip install "quaterion-core[hugging-face]"'
        ) from error
    return datasets
