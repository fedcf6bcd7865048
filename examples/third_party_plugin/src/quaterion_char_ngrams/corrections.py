"""A reader of text files with corrections."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from quaterion_core.dataset import SimilarityPairSample, SplitDataset

_ARROW: Final = "->"


class CorrectionsDataset(SplitDataset):
    """Pairs of texts from files with one correction per line, such as ``Belgrad -> Belgrade``.

    Empty lines are skipped. Files are UTF-8.

    Args:
        files: File of each split.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "cities.txt")
        >>> _ = file.write_text("Belgrad -> Belgrade", encoding="utf-8")
        >>> (sample,) = CorrectionsDataset({"train": file}).load("train")
        >>> sample.obj_a, sample.obj_b
        ('Belgrad', 'Belgrade')
    """

    def __init__(self, files: Mapping[str, str | Path]):
        self.files = {split: Path(file) for split, file in files.items()}

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that have a file."""
        return tuple(self.files)

    def check_source(self, split: str) -> None:
        """Check that the file of a split is there.

        Raises:
            ValueError: There is no such split.
            FileNotFoundError: There is no such file.
        """
        self.check_split(split)
        if not self.files[split].is_file():
            raise FileNotFoundError(f"Expected a file of corrections, got {self.files[split]}.")

    def load(self, split: str) -> list[SimilarityPairSample]:
        """Return the pairs of a split, in the order of the file.

        Raises:
            ValueError: There is no such split, or a line has no arrow.
            FileNotFoundError: There is no such file.
        """
        self.check_source(split)
        lines = self.files[split].read_text(encoding="utf-8").splitlines()
        samples = []
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            typed, arrow, meant = (part.strip() for part in line.partition(_ARROW))
            if not (typed and arrow and meant):
                raise ValueError(
                    f"{self.files[split]}, line {number}: expected 'typed {_ARROW} meant', got "
                    f"{line!r:.80}."
                )
            samples.append(SimilarityPairSample(typed, meant))
        return samples

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that build this dataset again, as JSON values."""
        return {"files": {split: str(file) for split, file in self.files.items()}}
