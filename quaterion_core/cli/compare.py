"""`quaterion compare`: two models over the same queries."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from quaterion_core.cli.data_options import DataOptions, data_options
from quaterion_core.cli.errors import check_exists, user_errors

if TYPE_CHECKING:
    from rich.table import Table

    from quaterion_core.recipe.comparison import Comparison

_UNTOUCHED = "untouched"


@click.command()
@click.argument("a")
@click.argument("b")
@data_options(owner="A")
@click.option(
    "--changed",
    default=10,
    show_default=True,
    type=click.IntRange(min=0),
    help="Number of queries to show that changed most, by the first metric.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--fail-if-worse",
    is_flag=True,
    help="End with exit code 1 if B is significantly worse than A in any metric: a worse value "
    "with an adjusted p-value of at most 0.05.",
)
def compare(
    a: str,
    b: str,
    given: DataOptions,
    changed: int,
    as_json: bool,
    fail_if_worse: bool,
) -> None:
    """Compare the saved models A and B over the same queries, by default A's validation split.

    For each metric: both values, the difference B - A with its 95 % interval, its p-value, adjusted
    for the number of metrics by Holm's method, and for how many queries B is better, worse, or the
    same. The p-value is that of a paired randomisation test over queries or, for metrics that are
    no means over queries, of a bootstrap. Instead of a model, `untouched` stands for the
    encoders of the other one before training, without its head.
    """
    with user_errors():
        models = (Path(model) for model in (a, b) if model != _UNTOUCHED)
        check_exists(*models, given.recipe, given.data)
        from quaterion_core.cli.metrics_table import table_console
        from quaterion_core.recipe.comparison import compare_models
        from quaterion_core.storage import json_text
        from quaterion_core.utils.embedding_progress import embedding_progress

        with embedding_progress():
            comparison = compare_models(a, b, changed=changed, **given.arguments())
    if as_json:
        click.echo(json_text(comparison.to_dict()), nl=False)
    else:
        console = table_console()
        console.print(f"{comparison.split}: {comparison.queries:,} queries")
        console.print(_table(comparison))
        _print_changed(comparison)
    if fail_if_worse and comparison.worse:
        click.echo(f"B is significantly worse in {', '.join(comparison.worse)}.", err=True)
        raise SystemExit(1)


def _table(comparison: Comparison) -> Table:
    from rich.table import Column, Table

    table = Table(
        Column("metric", overflow="fold"), "A", "B", "B - A", "95 % interval", "p (Holm)",
        "better", "worse", "same", box=None, pad_edge=False,
    )  # fmt: skip
    for metric in comparison.metrics:
        interval = metric.interval
        counts = metric.wins, metric.losses, metric.ties
        table.add_row(
            metric.metric,
            f"{metric.a:.4f}",
            f"{metric.b:.4f}",
            f"{metric.difference:+.4f}",
            "" if interval is None else f"{interval.low:+.4f} to {interval.high:+.4f}",
            "" if metric.p_value is None else f"{metric.p_value:.4f}",
            *("" if count is None else f"{count:,}" for count in counts),
        )
    return table


def _print_changed(comparison: Comparison) -> None:
    if not comparison.changed:
        return
    name = comparison.changed[0].metric
    click.echo(f"\nLargest changes of {name}, from A to B:")
    for change in comparison.changed:
        text = change.query if isinstance(change.query, str) else repr(change.query)
        shown = textwrap.shorten(text, 90, placeholder=" ...")
        click.echo(f"{change.a:.3f} -> {change.b:.3f}  {shown}")
