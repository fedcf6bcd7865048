"""Summaries and names of the standard library's functions, classes and methods."""

from __future__ import annotations

import functools
import hashlib
import json
import re
import subprocess
import sys
from collections import defaultdict
from typing import Final

from quaterion_core.dataset import SimilarityPairSample, SplitDataset
from quaterion_nlp.datasets import standard_library

_VALIDATION_SHARE: Final = 0.2
_WORD_BOUNDARY: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]{2})|[._]+")


class PythonDocs(SplitDataset):
    """About 4,000 pairs of what a function does and its name, without any download.

    The pairs are read from the docstrings of the standard library of this Python. ``obj_a`` is a
    summary in natural language, ``obj_b`` the qualified name in words, and ``subgroup`` the
    qualified name itself::

        obj_a="Recursively delete a directory tree."
        obj_b="shutil rmtree"
        subgroup="shutil.rmtree"

    The task is to find the name for a summary among all names of the split. Some summaries share
    words with the name, but many do not ("delete" and "rm"), which is what a model has to learn.

    - **Summary**: the first sentence of the docstring. A preceding signature, which would reveal
      the name, is removed.
    - **Objects**: public functions, classes and methods of the documented modules that exist on
      every platform, each under one name. A method belongs to the class that defines it.
    - **No summary occurs twice.** If objects with the same last name share one, such as
      ``queue.Queue.put`` and ``asyncio.Queue.put``, only the first by name is kept; summaries
      shared by objects with different names are left out, as they identify none of them.
    - **Splits**: ``validation`` has one object in five, ``train`` the others. A hash of the
      qualified name decides, so that an object stays in its split from one Python version to the
      next.

    The samples depend only on the version of Python, except for a few functions that exist on one
    platform only. They are sorted by qualified name. They are read once per process, in a second
    interpreter (half a second), so that previously imported modules do not change them and the
    modules that are imported for them do not remain loaded.

    Example:
        >>> dataset = PythonDocs()
        >>> dataset.splits
        ('train', 'validation')
        >>> found = {s.subgroup: s for s in dataset.load("train") + dataset.load("validation")}
        >>> found["os.mkdir"]
        SimilarityPairSample(obj_a='Create a directory.', obj_b='os mkdir', score=1.0,
                             subgroup='os.mkdir')
    """

    @property
    def splits(self) -> tuple[str, ...]:
        """``train`` and ``validation``."""
        return ("train", "validation")

    def load(self, split: str) -> list[SimilarityPairSample]:
        """Return the pairs of a split, sorted by qualified name.

        Raises:
            ValueError: There is no such split.
            RuntimeError: The interpreter that reads the docstrings failed.
        """
        self.check_split(split)
        return [
            SimilarityPairSample(text, name_in_words(name), subgroup=name)
            for name, text in _summaries()
            if _is_validation(name) == (split == "validation")
        ]


def name_in_words(qualified_name: str) -> str:
    """Split a qualified name at dots, underscores and capitals.

    Example:
        >>> name_in_words("http.client.HTTPConnection.set_tunnel")
        'http client HTTP Connection set tunnel'
    """
    return " ".join(word for word in _WORD_BOUNDARY.split(qualified_name) if word)


def _is_validation(qualified_name: str) -> bool:
    digest = hashlib.blake2b(qualified_name.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") < _VALIDATION_SHARE * 2**64


@functools.cache
def _summaries() -> tuple[tuple[str, str], ...]:
    """Return all (qualified name, summary) with distinct summaries and distinct names in words."""
    sharing: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for name, text in _read_in_fresh_interpreter().items():
        sharing[_spelled_alike(text)][name] = text
    by_words: dict[str, tuple[str, str]] = {}
    for names in sharing.values():
        if len({_spelled_alike(name_in_words(name.rpartition(".")[2])) for name in names}) == 1:
            name, text = min(names.items())
            words = _spelled_alike(name_in_words(name))
            by_words[words] = min((name, text), by_words.get(words, (name, text)))
    return tuple(sorted(by_words.values()))


def _spelled_alike(text: str) -> str:
    """Reduce a text to its words, which ignores case and punctuation."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def _read_in_fresh_interpreter() -> dict[str, str]:
    # -I and -S ignore environment variables, such as PYTHONOPTIMIZE, and installed packages.
    command = [sys.executable, "-I", "-S", "-W", "ignore", str(standard_library.__file__)]
    try:
        result = subprocess.run(command, capture_output=True, check=True, timeout=120)
    except (OSError, subprocess.SubprocessError) as error:
        cause = (getattr(error, "stderr", None) or b"").decode(errors="replace").strip()
        raise RuntimeError(
            "PythonDocs reads the docstrings of the standard library in a second interpreter, "
            f"which failed: {cause or error}. It ran {' '.join(command)}; that command has to "
            "print JSON."
        ) from error
    found: dict[str, str] = json.loads(result.stdout)
    return found
