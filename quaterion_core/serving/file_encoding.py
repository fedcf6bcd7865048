"""Embedding of the objects of a file or a folder into another file, by one process or several."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import tee
from pathlib import Path
from typing import Any

from quaterion_core.dataset.object_files import TEXT_COLUMN, FileObject, objects_in
from quaterion_core.encoding import EncodedFile, Shard, Skipped
from quaterion_core.model import SimilarityModel
from quaterion_core.model_folder import folder_fingerprint
from quaterion_core.utils.objects import positive_count


@dataclass(frozen=True)
class FileEncoding:
    """What to embed, with which model, into which file, and how.

    Args:
        model: Folder of a saved model.
        data: File or folder that :func:`~quaterion_core.dataset.object_files.objects_in` reads.
        output: A ``.npy`` or ``.parquet`` file.
        column: Column of a table that has the objects.
        id_column: Column that has ids; by default they are positions.
        skips: Whether objects that cannot be embedded are left out.
        overwrite: Replace files that are there.
        batch_size: See :meth:`SimilarityModel.encode <quaterion_core.SimilarityModel.encode>`.
        num_workers: See there.
        dtype: See there.
        dim: See there.
        normalize: See there.
    """

    model: Path
    data: Path
    output: Path
    column: str = TEXT_COLUMN
    id_column: str | None = None
    skips: bool = False
    overwrite: bool = False
    batch_size: int = 32
    num_workers: int = 0
    dtype: str = "float32"
    dim: int | None = None
    normalize: bool = False

    def rows(self) -> Iterator[FileObject]:
        """Yield the objects of the data."""
        return objects_in(self.data, column=self.column, id_column=self.id_column)

    def run(
        self,
        shard: Shard | None = None,
        *,
        output: Path | None = None,
        loaded: SimilarityModel | None = None,
    ) -> EncodedFile:
        """Embed all objects, or those of a shard, in this process.

        Args:
            shard: Which objects to embed.
            output: Another file for them.
            loaded: The model, if it is loaded already.
        """
        objects, ids = self.rows(), None
        if self.id_column is not None:
            objects, ids = tee(objects)  # read in step, so that one row is held
        model = loaded or SimilarityModel.load(self.model)
        return model.encode_to(
            output or self.output,
            (row.object for row in objects),
            self.batch_size,
            ids=None if ids is None else (row.id for row in ids),
            dim=self.dim,
            normalize=self.normalize,
            dtype=self.dtype,
            on_error=_left_out if self.skips else "raise",
            num_workers=self.num_workers,
            shard=shard,
            overwrite=self.overwrite,
            fingerprint=folder_fingerprint(self.model),
        )

    def shard_output(self, shard: Shard) -> Path:
        """Return the file of a shard, such as ``vectors-0-of-4.parquet``."""
        name = f"{self.output.stem}-{shard.number}-of-{shard.of}{self.output.suffix}"
        return self.output.with_name(name)

    def run_on_ray(self, shards: int) -> list[EncodedFile]:
        """Embed all objects with Ray Data, in one process for each shard.

        The model, the data and the folder of the output have to be at the same paths on all
        machines. Shards that are complete, or begun, are continued as in one process. A GPU is
        given to each process if the cluster has any.

        Args:
            shards: Number of shards.

        Returns:
            The file of each shard.

        Raises:
            ImportError: Ray is missing.
        """
        shards = positive_count(shards, "shards")
        try:
            import ray
            import ray.data
        except ImportError as error:
            raise ImportError(
                "The engine ray requires Ray Data. Install it with "
                "pip install 'quaterion-core[ray]'."
            ) from error
        if not ray.is_initialized():
            ray.init(log_to_driver=False)
        cluster: Any = ray  # which is typed in part
        resources: dict[str, float] = cluster.cluster_resources()
        gpus = resources.get("GPU", 0)
        numbers = ray.data.from_items(list(range(shards)), override_num_blocks=shards)
        processes = min(shards, int(gpus or resources.get("CPU", 1)))
        numbers.map_batches(
            _ShardEncoder,
            fn_constructor_kwargs={"encoding": self, "shards": shards, "use_gpu": bool(gpus)},
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=max(1, processes)),
            num_cpus=1,
            num_gpus=1 if gpus else None,
        ).materialize()
        # What the files are of is read from their records, without embedding anything again.
        model = SimilarityModel.load(self.model)
        done = FileEncoding(**{**self.__dict__, "overwrite": False})
        parts = [Shard(number, shards) for number in range(shards)]
        return [done.run(part, output=self.shard_output(part), loaded=model) for part in parts]


class _ShardEncoder:
    """Process of Ray Data that embeds one shard after another."""

    def __init__(self, encoding: FileEncoding, shards: int, use_gpu: bool):
        self._encoding, self._shards = encoding, shards
        self._model = SimilarityModel.load(encoding.model)
        if use_gpu:
            self._model.cuda()

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        for number in batch["item"]:
            shard = Shard(int(number), self._shards)
            output = self._encoding.shard_output(shard)
            self._encoding.run(shard, output=output, loaded=self._model)
        return batch


def _left_out(skipped: Skipped) -> None:
    """Do nothing about an object that cannot be embedded: the file records it."""
