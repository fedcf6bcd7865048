"""Data of pages for tests, made without a model."""

from __future__ import annotations

import base64
import io
import math
import random

from PIL import Image

from quaterion_report.report_data import (
    Curve,
    Difference,
    Estimate,
    Fact,
    Found,
    Geometry,
    Hub,
    Hubness,
    Metric,
    Neighbor,
    Query,
    ReportData,
    Run,
    Similarities,
    Slice,
    Slices,
    Split,
    Sprite,
    System,
)

MARKUP = "</script><script>document.title='owned'</script><img src=x onerror=alert(1)> & \"'"
NAMES = {"model": "This model", "untouched": "Untouched encoder", "other": "Other"}


def estimate(value, width=0.02):
    return Estimate(value=value, low=value - width, high=value + width)


def bell(center, bins=512, total=10_000, width=0.1):
    places = [(-1 + 2 * (n + 0.5) / bins - center) / width for n in range(bins)]
    return [int(total / bins * 8 * math.exp(-place * place / 2)) for place in places]


def system(key, quality, objects, seed, name=None):
    chance = random.Random(seed)
    k = [1, 2, 3, 5, 10, 20, 50]
    return System(
        key=key,
        name=name or NAMES[key],
        curve=Curve(k=k, values=[estimate(1 - (1 - quality) / n**0.5) for n in k]),
        similarities=Similarities(
            low=-1, high=1, matching=bell(0.2 + quality / 2), others=bell(0.1, total=500_000)
        ),
        hubness=Hubness(
            k=10, skewness=3 - quality, never_found=0.1, counts=[30, 20, 9, 4, 2, 1, 0, 0, 1],
            hubs=[Hub(object=n, found=8 - n, deserved=1) for n in range(min(4, objects))],
        ),
        geometry=Geometry(
            dimensions=384, effective_rank=120.5, alignment=0.8 - quality / 2, uniformity=-3.2,
            explained=[1 - 0.93**n for n in range(1, 60)],
        ),
        x=[chance.randint(0, 1000) for _ in range(objects)],
        y=[chance.randint(0, 1000) for _ in range(objects)],
    )  # fmt: skip


def sprite(objects, size=32):
    columns = max(1, math.ceil(math.sqrt(len(objects))))
    sheet = Image.new("L", (columns * size, columns * size), 255)
    for place in range(len(objects)):
        row, column = divmod(place, columns)
        sheet.paste(place * 37 % 200, (column * size + 4, row * size + 4, column * size + size - 4,
                                       row * size + size - 4))  # fmt: skip
    stream = io.BytesIO()
    sheet.save(stream, "PNG")
    image = "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()
    return Sprite(image=image, columns=columns, size=size, objects=objects)


def page_data(objects=60, *, text="object {}", systems=("model", "untouched"), images=False):
    """Return data for all sections; ``text`` stands for every text in them."""
    qualities = {"model": 0.77, "untouched": 0.7, "other": 0.79}
    reference = systems[-1] if len(systems) > 1 else None
    labels = [text.format(n) for n in range(objects)]
    outcomes = ["lost", "won", "wrong", "right"] if reference else ["wrong", "right"]

    def found(number, shift):
        return Found(
            rank=1 + (number + shift) % 3,
            neighbors=[
                Neighbor(object=(number + n) % objects, similarity=0.9 - n / 10,
                         relevant=n == (number + shift) % 3)
                for n in range(1, 4)
            ],
        )  # fmt: skip

    return ReportData(
        title=text.format("model"),
        created="2026-11-26T12:00:00+00:00",
        split=text.format("validation"),
        queries=1700,
        candidates=1683,
        systems=[system(key, qualities[key], objects, seed) for seed, key in enumerate(systems)],
        reference=reference,
        metrics=[
            Metric(
                name=text.format(name),
                values={key: estimate(qualities[key] + offset) for key in systems},
                differences={
                    key: Difference(
                        estimate=estimate(qualities["model"] - qualities[key]),
                        p_value=0.0002 if key == "untouched" else 0.31,
                        outcome="better" if key == "untouched" else "open",
                        wins=210, losses=90, ties=1400,
                    )
                    for key in systems[1:]
                },
            )
            for name, offset in (("precision@1", 0.0), ("reciprocal_rank", 0.06))
        ],
        run=Run(
            facts=[Fact(name="encoder", value=text.format("encoder")),
                   Fact(name="epochs", value="20")],
            splits=[Split(name="train", samples=6798, digest="9f86d081884c7d659a2feaa0c55ad015")],
            recipe=text.format("recipe"),
            history=[
                {"epoch": n, "train_loss": 2 / n, "validation_loss": 1 + 1 / n,
                 "map_at_r_validation": 1 - 1 / n}
                for n in range(1, 9)
            ],
            best_epoch=6,
        ),
        notes=[text.format("note")],
        objects=labels,
        group_names=[text.format(f"group {n}") for n in range(14)],
        groups=[min(n % 20, 13) for n in range(objects)],
        sprites=[sprite(list(range(objects)))] if images else [],
        slices=Slices(
            metric="precision@1", overall=0.77,
            worst=[
                Slice(by="group", name=text.format(f"slice {n}"), queries=40 + n,
                      estimate=estimate(0.4 + n / 20, 0.1), reference=0.5)
                for n in range(6)
            ],
        ),
        gallery=[
            Query(
                object=n, outcome=outcomes[n % len(outcomes)],
                found={key: found(n, shift) for shift, key in enumerate(systems)},
                expected=(n + 5) % objects if n % 4 == 0 else None,
            )
            for n in range(min(objects, 12))
        ],
    )  # fmt: skip
