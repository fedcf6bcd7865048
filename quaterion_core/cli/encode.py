"""`quaterion encode`: embed objects into a file."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from quaterion_core.cli.errors import check_exists, user_errors

if TYPE_CHECKING:
    from quaterion_core.encoding import EncodedFile

_CALIBRATED_WITH: Final = 5000
_SHOWN: Final = 10


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--output", "-o", required=True, type=click.Path(path_type=Path), metavar="FILE",
    help="File that ends with .npy or .parquet.",
)  # fmt: skip
@click.option("--column", help="Column of DATA that has the objects; by default 'text'.")
@click.option("--id", "id_column", help="Column of DATA that has ids; by default the position.")
@click.option(
    "--dtype", default="float32", show_default=True,
    type=click.Choice(["float32", "float16", "int8", "binary"]), help="Type of the values.",
)  # fmt: skip
@click.option(
    "--calibrate", is_flag=True,
    help=f"Calibrate int8 with the first {_CALIBRATED_WITH:,} objects, and save that with MODEL.",
)  # fmt: skip
@click.option("--dim", type=click.IntRange(min=1), help="Truncate embeddings to this size.")
@click.option("--normalize", is_flag=True, help="Scale embeddings to unit length.")
@click.option("--batch-size", default=32, show_default=True, type=click.IntRange(min=1))
@click.option(
    "--num-workers", default=0, show_default=True, type=click.IntRange(min=0),
    help="Processes that read and collate ahead, for images.",
)  # fmt: skip
@click.option(
    "--on-error", default="raise", show_default=True, type=click.Choice(["raise", "skip"]),
    help="What to do about objects that cannot be embedded.",
)  # fmt: skip
@click.option("--shard", default="0/1", metavar="I/N", help="Embed only part I of N, such as 0/4.")
@click.option(
    "--engine", default="local", show_default=True, type=click.Choice(["local", "ray"]),
    help="Embed in this process, or with Ray Data (quaterion-core[ray]).",
)  # fmt: skip
@click.option(
    "--shards", type=click.IntRange(min=1), metavar="N",
    help="With --engine ray: number of parts, each with a file of its own.",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace a file that is there.")
def encode(
    model: Path,
    data: Path,
    output: Path,
    column: str | None,
    id_column: str | None,
    dtype: str,
    calibrate: bool,
    dim: int | None,
    normalize: bool,
    batch_size: int,
    num_workers: int,
    on_error: str,
    shard: str,
    engine: str,
    shards: int | None,
    overwrite: bool,
) -> None:
    """Embed the objects of DATA with the saved MODEL into a file.

    DATA is a table (CSV, JSON lines, Parquet, Excel), a text file with one object per line, a
    folder of images, or a pattern such as 'photos/*.jpg'. An interrupted command is continued by
    running it again. Memory does not depend on the number of objects.
    """
    with user_errors():
        if calibrate and dtype != "int8":
            raise ValueError(f"Expected --dtype int8 with --calibrate, got {dtype}.")
        if (engine == "ray") != (shards is not None) or (engine == "ray" and shard != "0/1"):
            raise ValueError("Expected --engine ray together with --shards N, without --shard.")
        check_exists(model)
        from quaterion_core.encoding.encoded_file import Shard, check_output

        part = Shard.parse(shard)
        check_output(output)
        from quaterion_core.dataset.object_files import TEXT_COLUMN
        from quaterion_core.model import SimilarityModel
        from quaterion_core.model_folder import save_calibration
        from quaterion_core.serving.file_encoding import FileEncoding
        from quaterion_core.utils.embedding_progress import embedding_progress

        encoding = FileEncoding(
            model.absolute(), data.absolute(), output.absolute(), column or TEXT_COLUMN, id_column,
            skips=on_error == "skip", overwrite=overwrite, batch_size=batch_size,
            num_workers=num_workers, dtype=dtype, dim=dim, normalize=normalize,
        )  # fmt: skip
        if next(encoding.rows(), None) is None:
            raise ValueError(f"{data} has no objects to embed.")
        loaded = SimilarityModel.load(model)
        with embedding_progress():
            if calibrate:
                sample = [row.object for row in islice(encoding.rows(), _CALIBRATED_WITH)]
                loaded.calibrate_int8(sample, dim=dim, normalize=normalize, batch_size=batch_size)
                assert loaded.calibration is not None
                save_calibration(model, loaded.calibration)
            if shards is not None:
                files = encoding.run_on_ray(shards)
            else:
                files = [encoding.run(part, loaded=loaded)]
        for encoded in files:
            _report(encoded)
        if not any(encoded.rows for encoded in files):
            raise ValueError("No object could be embedded.")


def _report(encoded: EncodedFile) -> None:
    from quaterion_core.storage.errors import printable
    from quaterion_core.utils.counted import counted

    shape = f"({encoded.rows:,}, {encoded.columns:,})"
    before = f" {encoded.resumed:,} objects were done before." if encoded.resumed else ""
    click.echo(f"{encoded.path} holds embeddings {shape}, {encoded.dtype}.{before}")
    if not encoded.skipped:
        return
    click.echo(f"{counted(len(encoded.skipped), 'object')} could not be embedded:", err=True)
    for skipped in encoded.skipped[:_SHOWN]:
        click.echo(f"  {printable(str(skipped))}", err=True)
    if len(encoded.skipped) > _SHOWN:
        click.echo(f"  and others; {encoded.path}.json lists them all", err=True)
