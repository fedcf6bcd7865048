"""Embeddings as files for TensorBoard's projector."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from quaterion_core.storage import new_folder
from quaterion_report.thumbnails import is_image, sprite_of

if TYPE_CHECKING:
    from quaterion_report.building import Gathered
    from quaterion_report.report_data import Sprite

METADATA_FILE: Final = "metadata.tsv"
SPRITE_FILE: Final = "sprite.png"
CONFIG_FILE: Final = "projector_config.pbtxt"

_SPRITE_BUDGET: Final = 20_000_000


def write_projector(gathered: Gathered, folder: Path) -> None:
    """Write the embeddings of all systems to a new folder.

    It contains a table of embeddings for each system, a table with text and group of each object,
    the thumbnails of images, and the configuration that TensorBoard reads.

    Args:
        gathered: What was evaluated.
        folder: A new or empty folder.

    Raises:
        OutputExistsError: The folder exists and is not empty.
    """
    corpus, systems = gathered.corpus, gathered.systems
    with new_folder(folder) as written:
        rows = (
            f"{_cell(text)}\t{_cell(group or '')}"
            for text, group in zip(_texts(gathered), corpus.groups, strict=True)
        )
        _write(written / METADATA_FILE, ["object\tgroup", *rows])
        sprite = None
        if all(map(is_image, corpus.objects)):
            sprite, _ = sprite_of(dict(enumerate(corpus.objects)), _SPRITE_BUDGET)
            if sprite is not None and len(sprite.objects) == len(corpus.objects):
                _write_sprite(written / SPRITE_FILE, sprite)
            else:
                sprite = None
        for key, system in systems.items():
            lines = ("\t".join(f"{v:.6g}" for v in row) for row in system.embeddings.tolist())
            _write(written / f"{key}.tsv", lines)
        config = "\n".join(_config(key, system.name, sprite) for key, system in systems.items())
        (written / CONFIG_FILE).write_text(config, encoding="utf-8")


def _config(key: str, name: str, sprite: Sprite | None) -> str:
    """Return the entry of a system, in the text format of protocol buffers."""
    image = ""
    if sprite is not None:
        image = (
            f'  sprite {{\n    image_path: "{SPRITE_FILE}"\n'
            f"    single_image_dim: {sprite.size}\n    single_image_dim: {sprite.size}\n  }}\n"
        )
    quoted = name.encode("unicode_escape").decode("ascii").replace('"', '\\"')
    return (
        f'embeddings {{\n  tensor_name: "{quoted}"\n  tensor_path: "{key}.tsv"\n'
        f'  metadata_path: "{METADATA_FILE}"\n{image}}}\n'
    )


def _texts(gathered: Gathered) -> Iterator[str]:
    from quaterion_report.corpus import text_of
    from quaterion_report.gathering import LONG_TEXT

    objects = enumerate(gathered.corpus.objects, start=1)
    return (text_of(obj, LONG_TEXT, number) for number, obj in objects)


def _cell(text: str) -> str:
    """Return a text without what separates cells and rows."""
    return " ".join(text.split())


def _write(path: Path, lines: Iterator[str] | list[str]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)


def _write_sprite(path: Path, sprite: Sprite) -> None:
    """Write the picture as PNG, which TensorBoard shows, with the square that it expects."""
    from PIL import Image

    _, _, encoded = sprite.image.partition(",")
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as picture:
        side = sprite.columns * sprite.size
        square = Image.new("RGB", (side, side), "white")
        square.paste(picture, (0, 0))
    square.save(path, "PNG")
