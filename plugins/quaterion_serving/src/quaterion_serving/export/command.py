"""`quaterion export`: a saved model for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from quaterion_core.cli.data_options import columns_of
from quaterion_core.cli.errors import check_exists, user_errors


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--output", "-o", type=click.Path(path_type=Path), help="A new folder.")
@click.option(
    "--to",
    "target",
    type=click.Choice(["onnx", "sentence-transformers", "torch-export"]),
    default="onnx",
    show_default=True,
    help="onnx: a graph for onnxruntime. sentence-transformers: a folder for SentenceTransformer, "
    "and for servers that read those. torch-export: a program of torch.export.",
)
@click.option("--check", is_flag=True, help="Check the exported MODEL by its golden vectors.")
@click.option(
    "--part",
    help="For a model that chooses between encoders: which of them to export, text or image.",
)
@click.option("--normalize", is_flag=True, help="Scale embeddings to unit length.")
@click.option(
    "--samples",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File of objects for golden vectors: one text, or one path of an image, on each line.",
)
@click.option(
    "--int8",
    is_flag=True,
    help="Weights of int8, for onnx. Embeddings then depend, slightly, on their batch. Needs "
    "--data to measure what it costs.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="For --int8: a file that is read like those of the model's recipe.",
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="FIELD=COLUMN",
    help="A column of --data, such as obj_a=question; may be given several times.",
)
@click.option(
    "--max-loss",
    type=click.FloatRange(0, 1),
    default=0.01,
    show_default=True,
    help="For --int8: largest loss of precision@1 (for groups, recall@1).",
)
@click.option("--overwrite", is_flag=True, help="Replace an earlier export.")
def export(
    model: Path,
    output: Path | None,
    target: str,
    check: bool,
    part: str | None,
    normalize: bool,
    samples: Path | None,
    int8: bool,
    data: Path | None,
    columns: tuple[str, ...],
    max_loss: float,
    overwrite: bool,
) -> None:
    """Export the saved MODEL to a folder, for programs without Quaterion.

    Its embeddings of a few samples are stored with it and compared with those of the model. With
    --check they are computed again, such as on the machine that serves it.
    """
    with user_errors():
        check_exists(model, samples, data)
        if check:
            _check(model)
            return
        if output is None:
            raise click.UsageError("Give the folder to write: -o DIR. (Or --check.)")
        if (data is not None or columns) and not int8:
            raise click.UsageError("--data and --column are for --int8. Give it, too.")
        options: dict[str, Any] = {"part": part, "normalize": normalize, "overwrite": overwrite}
        if samples is not None:
            options["samples"] = samples.read_text(encoding="utf-8").splitlines()
        if int8 and target != "onnx":
            raise click.UsageError("--int8 is for --to onnx.")
        click.echo(f"Exporting {model} ...", err=True)
        if target == "torch-export":
            from quaterion_serving.export.torch_export import export_torch

            deviation = export_torch(model, output, **options).deviation
            click.echo(f"Wrote {output}. Golden vectors agree to {deviation:.1e}.")
            return
        if target == "sentence-transformers":
            _to_sentence_transformers(model, output, options)
            return
        from quaterion_serving.export.onnx_export import export_onnx

        result = export_onnx(
            model,
            output,
            int8=int8,
            data=data,
            columns=columns_of(columns) or None,
            max_loss=max_loss,
            **options,
        )
        click.echo(f"Wrote {output}. Golden vectors agree to {result.deviation:.1e}.")
        if result.metric is not None:
            assert result.float32 is not None
            assert result.int8 is not None
            click.echo(
                f"{result.metric}: {result.float32:.4f} with float32, {result.int8:.4f} with int8 "
                f"({result.int8 - result.float32:+.4f}). With int8, an embedding depends, "
                "slightly, on its batch."
            )


def _to_sentence_transformers(model: Path, output: Path, options: dict[str, Any]) -> None:
    from quaterion_serving.export.sentence_transformers_export import (
        export_sentence_transformers,
    )

    result = export_sentence_transformers(model, output, **options)
    click.echo(f"Wrote {output}. Golden vectors agree to {result.deviation:.1e}.")
    if result.inference_server is not None:
        click.echo(
            "text-embeddings-inference does not give the same embeddings: "
            f"{result.inference_server}."
        )


def _check(folder: Path) -> None:
    from quaterion_serving.export.checking import check_exported

    deviation = check_exported(folder)
    click.echo(f"{folder} gives its golden vectors, to {deviation:.1e}.")
