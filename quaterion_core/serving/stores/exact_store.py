"""Exact store: all vectors in a memory-mapped file, compared one by one."""

from __future__ import annotations

from torch import Tensor

from quaterion_core.serving.stores.filters import Condition
from quaterion_core.serving.stores.folder_store import FolderState, FolderStore, Found
from quaterion_core.serving.stores.scan import scanned


class ExactStore(FolderStore):
    """Exact store in a folder: each query is compared with all vectors, in blocks.

    Searches read the vectors at the speed of the disk cache. No other package is needed. A million
    vectors of 384 dimensions take 1.5 GB, or 0.4 GB as int8; see
    :class:`~quaterion_core.serving.stores.FolderStore`.

    Args:
        location: The folder.
        dtype: Type of the vectors in the file, ``"float32"`` or ``"int8"``, for :meth:`create`.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from quaterion_core.distances import Distance
        >>> store = ExactStore(tempfile.mkdtemp() + "/store")
        >>> store.create(2, Distance.COSINE, {})
        >>> vectors = np.array([[1.0, 0.0], [0.0, 1.0]])
        >>> store.upsert(["east", "north"], vectors, [{"deg": 90}, {"deg": 0}])
        >>> store.search(np.array([[0.1, 2.0]]), top=1)
        [[Hit(id='north', score=0.998..., payload={'deg': 0})]]
        >>> store.close()
    """

    def nearest(
        self, queries: Tensor, top: int, where: Condition | None, state: FolderState
    ) -> list[Found]:
        """Return the nearest vectors of each query, compared one by one."""
        return scanned(queries, top, state, self.metric, state.rows(where))
