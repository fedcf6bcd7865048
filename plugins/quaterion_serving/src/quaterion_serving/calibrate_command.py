"""`quaterion calibrate`: probabilities of matches for a saved model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from quaterion_core.cli.data_options import DataOptions, also_as_option, data_options
from quaterion_core.cli.errors import check_exists, user_errors

if TYPE_CHECKING:
    from quaterion_core.matches import MatchCalibration
    from quaterion_core.matches.fitting import Method

_RATES: Final = (0.1, 0.05, 0.01, 0.001)


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@data_options(metrics=False)
@also_as_option
@click.option(
    "--method",
    type=click.Choice(["auto", "isotonic", "logistic"]),
    default="auto",
    show_default=True,
    help="How probabilities are fitted; auto is isotonic from 1,000 matches and 1,000 others on.",
)
@click.option(
    "--distance",
    default="cosine",
    show_default=True,
    help="Distance whose similarity is calibrated: that of the index.",
)
@click.option("--dim", type=click.IntRange(min=1), help="Truncate embeddings to this size.")
def calibrate(
    model: Path, given: DataOptions, method: Method, distance: str, dim: int | None
) -> None:
    """Calibrate the similarities of the saved MODEL: find probabilities of matches.

    They are found on the validation split of its recipe, or on DATA, which training has not seen,
    and kept in the folder of the model. `quaterion search` and `quaterion serve` show them, and can
    then say that there is no match.
    """
    with user_errors():
        check_exists(model, given.recipe, given.data)
        from quaterion_core import SimilarityModel
        from quaterion_core.model_folder import save_calibration
        from quaterion_core.recipe.evaluate import evaluation_samples
        from quaterion_core.utils.counted import counted
        from quaterion_core.utils.embedding_progress import embedding_progress

        data = evaluation_samples(model, **given.samples())
        loaded = SimilarityModel.load(model)
        click.echo(f"Calibrating with {data.split} ({counted(len(data.samples), 'sample')}).")
        with embedding_progress():
            calibration = loaded.calibrate(
                data.samples,
                distance=distance,
                dim=dim,
                method=method,
                reference=data.candidates,
            )
        save_calibration(model, calibration)
        _print(calibration)
        click.echo(f'\nSaved in {model}. Use it:\n  quaterion search {model} "..." --miss-rate 0.1')


def _print(calibration: MatchCalibration) -> None:
    click.echo(
        f"{calibration.curve.method} regression; thresholds with {len(calibration.matches):,} "
        f"matches and {len(calibration.others):,} others.\n"
    )
    click.echo("rate     miss rate: from similarity     false match rate: from similarity")
    for rate in _RATES:
        cells = [_threshold(calibration, **{name: rate}) for name in
                 ("miss_rate", "false_match_rate")]  # fmt: skip
        click.echo(f"{rate:<6.1%}   {cells[0]:<28}   {cells[1]}".rstrip())


def _threshold(calibration: MatchCalibration, **rate: float) -> str:
    try:
        threshold = calibration.threshold(**rate)
    except ValueError:
        return "(too few data)"
    probability = float(calibration.probability(threshold))
    return f"{threshold:.3f} (probability {probability:.2f})"
