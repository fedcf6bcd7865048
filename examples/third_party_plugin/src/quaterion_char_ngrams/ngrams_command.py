"""The command ``quaterion ngrams``."""

from __future__ import annotations

import click

from quaterion_char_ngrams.char_ngrams_encoder import NgramBags


@click.command()
@click.argument("text")
@click.option("--smallest", default=2, show_default=True, help="Least number of characters.")
@click.option("--largest", default=4, show_default=True, help="Greatest number of characters.")
def ngrams(text: str, smallest: int, largest: int) -> None:
    """Show the n-grams that the encoder makes of TEXT."""
    if not 1 <= smallest <= largest:
        raise click.BadParameter(
            f"Expected 1 <= smallest <= largest, got {smallest} and {largest}."
        )
    for word in text.split():
        click.echo(" ".join(NgramBags(smallest, largest, rows=1).ngrams(word)))
