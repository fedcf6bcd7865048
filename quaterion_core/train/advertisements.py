"""Filter of Lightning's advertisements of other products, in force once this is imported."""

from __future__ import annotations

import logging
from typing import Final

LOGGER: Final = "pytorch_lightning.utilities.rank_zero"
"""Name of the logger of Lightning's notices."""

_TIP: Final = "\N{ELECTRIC LIGHT BULB} Tip:"


def is_no_advertisement(record: logging.LogRecord) -> bool:
    """Return whether a record of Lightning's log is about the training run.

    Example:
        >>> record = logging.makeLogRecord({"msg": "GPU available: False"})
        >>> is_no_advertisement(record)
        True
        >>> is_no_advertisement(logging.makeLogRecord({"msg": f"{_TIP} buy"}))
        False
    """
    return not record.getMessage().startswith(_TIP)


logging.getLogger(LOGGER).addFilter(is_no_advertisement)
