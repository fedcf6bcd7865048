"""`quaterion tune`: the best model for some data under a budget."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from quaterion_core.cli.data_options import columns_of
from quaterion_core.cli.errors import check_exists, user_errors

if TYPE_CHECKING:
    from quaterion_tune.tuning import TuneResult

KEPT_BASE: Final = 3
"""Exit code if nothing is better than the untouched encoder."""


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--output", "-o", required=True, type=click.Path(path_type=Path), metavar="DIR",
              help="Folder of the model.")  # fmt: skip
@click.option("--minutes", default=10.0, show_default=True,
              type=click.FloatRange(min=0, min_open=True), help="Budget of time.")  # fmt: skip
@click.option("--trials", type=click.IntRange(min=1), help="Most training runs.")
@click.option("--encoder", metavar="NAME", help="Pretrained model to start from: its name or "
              "folder. By default one on this machine, or else one from scratch.")  # fmt: skip
@click.option("--column", "columns", multiple=True, metavar="FIELD=COLUMN",
              help="A column, such as obj_a=question, where they are not recognised; may be given "
              "several times.")  # fmt: skip
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
@click.option("--overwrite", is_flag=True, help="Replace a model that is saved there.")
def tune(
    data: Path,
    output: Path,
    minutes: float,
    trials: int | None,
    encoder: str | None,
    columns: tuple[str, ...],
    seed: int,
    overwrite: bool,
) -> None:
    """Find the best model for DATA, and never a worse one than the untouched encoder.

    DATA is a table (CSV, JSON lines, Parquet, Excel) whose columns are recognised, such as question
    and answer, or text and label; or a folder with one folder of images for each group; or a recipe
    that marks what to search, such as 'epochs: {search: [5, 20]}'.

    What is held out decides: if nothing is significantly better than the untouched encoder, that
    one is saved, and the exit code is 3.
    """
    with user_errors():
        check_exists(data)
        from quaterion_tune.tuning import tune as run

        result = run(
            data,
            output,
            minutes=minutes,
            trials=trials,
            encoder=encoder,
            columns=columns_of(columns) or None,
            seed=seed,
            overwrite=overwrite,
            write=lambda line: click.echo(line),
        )
    _print(result)
    if result.keeps_base:
        raise SystemExit(KEPT_BASE)


def _print(result: TuneResult) -> None:
    from quaterion_core.cli.metrics_table import table_console

    console = table_console()
    console.print(f"\n{result.metric} on the validation split:")
    for name, value in result.candidates.items():
        console.print(f"  {_described(name):<28} {value:.4f}")
    if result.comparison is not None:
        main = result.comparison.metrics[0]
        where = (
            "test split, which has chosen nothing"
            if result.comparison.split == "test"
            else "validation split, which has chosen, so that the figure is optimistic"
        )
        low, high = main.interval or (float("nan"), float("nan"))
        console.print(
            f"On the {where}: untouched {main.a:.4f}, preferred "
            f"{main.b:.4f}, difference {main.difference:+.4f} ({low:+.4f} to {high:+.4f}, p = "
            f"{main.p_value if main.p_value is not None else float('nan'):.3g})."
        )
    if result.keeps_base:
        console.print(
            f"Keep the base: nothing is significantly better than the untouched encoder, which is "
            f"saved to {result.output}."
        )
        return
    console.print(f"Saved to {result.output}: {_described(result.chosen)}, with its recipe.")
    console.print(f'Try it:  quaterion search {result.output} "..."')


def _described(name: str) -> str:
    if name in ("untouched", "tuned"):
        return f"{name} model" if name == "tuned" else "untouched encoder"
    return f"{float(name):.0%} of the way to the tuned"
