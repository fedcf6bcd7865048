"""Progress bars of transformers, which it shows while it reads and writes weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_progress_bars() -> Iterator[None]:
    """Hide the progress bars of transformers within a ``with`` block."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars
    from transformers.utils import logging

    was_enabled = logging.is_progress_bar_enabled()
    downloads_were_hidden = are_progress_bars_disabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if was_enabled:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]  # also of downloads
        if downloads_were_hidden:
            disable_progress_bars()
