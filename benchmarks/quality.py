"""How good do models become that are trained by the recipes in examples/, and by peers?

Each task fits its recipe, in a folder with its data, and trains the nearest thing that a peer has:
sentence-transformers' own trainer, or a loop around a loss of pytorch-metric-learning, with the
same data, encoder, batch size and number of epochs. All models are judged by the same evaluator,
on objects that none was trained on.

Run it as ``python -m benchmarks.quality [--tasks python_docs cloud_faq_heads] [--no-peers]``. All
tasks take about two hours on two cores.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import shutil
import sys
import tempfile
import time
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks.cached_training import minilm
from benchmarks.quality_peers import (
    metric_learning_over_embeddings,
    metric_learning_over_images,
    sentence_transformers_trainer,
)
from benchmarks.report import report
from quaterion_core import fit_recipe
from quaterion_core.dataset import SplitDataset
from quaterion_core.eval import Evaluator, KNNAccuracy
from quaterion_core.eval.pair import RetrievalPrecision
from quaterion_core.eval.samplers import GroupSampler, PairSampler
from quaterion_core.recipe import Recipe, build_dataset, read_recipe
from quaterion_cv import OneShotAccuracy

ROOT: Final = Path(__file__).parents[1]
DATA: Final = ROOT / "../shared/data"
MODEL: Final = "sentence-transformers/all-MiniLM-L6-v2"


@dataclass(frozen=True)
class Task:
    """One recipe, and how its models are judged.

    Attributes:
        figure: What the score is.
        least: The score that is aimed at.
        minutes: How long the training may take on two cores, the filling of a cache aside.
        prepare: Puts the data into the current folder.
        score: Judges a model; of a peer's, only ``encode`` is asked.
        peer: Trains what the score is compared with.
    """

    figure: str
    least: float
    minutes: float
    prepare: Callable[[], None]
    score: Callable[[Any, SplitDataset], float]
    peer: Callable[[Recipe, Sequence[Any]], Any]


def main() -> None:
    """Train, judge and report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS), metavar="TASK")
    parser.add_argument("--no-peers", action="store_true", help="Train what the recipes say only.")
    arguments = parser.parse_args()
    rows, ratios, figures = [], {}, {}
    for name in arguments.tasks:
        task = TASKS[name]
        print(f"{name} ...", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)  # tasks lay out their data in the current folder
            task.prepare()
            ours, seconds = run_recipe(name, task)
            theirs, peer = (float("nan"), "") if arguments.no_peers else run_peer(name, task)
            os.chdir(ROOT)
        rows.append({
            "task": name, "figure": task.figure, "ours": f"{ours:.4f}", "aim": task.least,
            "minutes": seconds / 60, "at most": task.minutes,
            "peer": peer, "theirs": f"{theirs:.4f}",
        })  # fmt: skip
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
        figures |= {name: ours, f"{name}_training_s": seconds}
        if not arguments.no_peers:
            ratios[f"{name}_peer_over_ours"] = theirs / ours
    report(
        "quality",
        rows,
        ratios=ratios,
        figures=figures,
        packages=[
            "torch", "pytorch-lightning", "sentence-transformers", "timm",
            "pytorch-metric-learning", "quaterion-core",
        ],
    )  # fmt: skip


def run_recipe(name: str, task: Task) -> tuple[float, float]:
    """Fit the recipe; return the score and the seconds of training."""
    recipe = Path(f"{name}.yaml")
    shutil.copy(ROOT / "examples" / recipe.name, recipe)
    result = fit_recipe(recipe, write=partial(print, file=sys.stderr))
    return task.score(result.model, build_dataset(read_recipe(recipe))), result.seconds


def run_peer(name: str, task: Task) -> tuple[float, str]:
    """Train the peer; return its score and its name."""
    recipe = read_recipe(Path(f"{name}.yaml"))
    dataset = build_dataset(recipe)
    start = time.perf_counter()
    model = task.peer(recipe, dataset.load(recipe.splits.train))
    print(f"{model.name}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
    return task.score(model, dataset), model.name


def precision_of_questions(model: Any, dataset: SplitDataset) -> float:
    """Return the share of questions whose answer is the nearest of all answers."""
    sampler = PairSampler(distinguish=True, encode_batch_size=64, log_progress=False)
    return evaluated(RetrievalPrecision(k=1), sampler, model, dataset.load("validation"))


def precision_in_one_pool(model: Any, dataset: SplitDataset) -> float:
    """Return the share of questions and answers whose partner is the nearest of all of them."""
    sampler = PairSampler(distinguish=False, encode_batch_size=64, log_progress=False)
    return evaluated(RetrievalPrecision(k=1), sampler, model, dataset.load("validation"))


def accuracy_of_neighbours(model: Any, dataset: SplitDataset) -> float:
    """Return the share of test texts whose intent the five nearest training texts tell."""
    sampler = GroupSampler(
        encode_batch_size=64, log_progress=False, reference=dataset.load("train")
    )
    metric = KNNAccuracy(k=5, temperature=0.05)
    return evaluated(metric, sampler, model, dataset.load("validation"))


def one_shot_accuracy(model: Any, dataset: SplitDataset) -> float:
    """Return the mean accuracy within the alphabets that were not trained on."""
    alphabets = [split for split in dataset.splits if split != "train"]
    scores = [
        evaluated(
            OneShotAccuracy(ways=20),
            GroupSampler(encode_batch_size=64, log_progress=False),
            model,
            dataset.load(alphabet),
        )
        for alphabet in alphabets
    ]
    return sum(scores) / len(scores)


def evaluated(metric: Any, sampler: Any, model: Any, samples: Sequence[Any]) -> float:
    """Return one metric of a model over samples."""
    return float(Evaluator({"": metric}, sampler).evaluate(samples, model)[""])


def nothing() -> None:
    """Prepare nothing: the dataset comes with a plugin."""


def cloud_faq() -> None:
    """Lay out the FAQ as its files divide it."""
    link_model()
    for split in ("train", "val"):
        shutil.copy(required(f"cloud_faq_{split}.jsonl"), f"cloud_faq_{split}.jsonl")


def cloud_faq_by_source() -> None:
    """Divide the FAQ as Quaterion's tutorial did: a quarter of each source for validation."""
    link_model()
    lines = [
        line
        for split in ("train", "val")
        for line in required(f"cloud_faq_{split}.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    by_source = defaultdict(list)
    for line in lines:
        by_source[json.loads(line)["source"]].append(line)
    generator = random.Random(42)
    parts: dict[str, list[str]] = {"train": [], "val": []}
    for source in sorted(by_source):
        generator.shuffle(by_source[source])
        count = round(len(by_source[source]) / 4)
        parts["val"] += by_source[source][:count]
        parts["train"] += by_source[source][count:]
    for split, part in parts.items():
        Path(f"cloud_faq_{split}.jsonl").write_text("\n".join(part), encoding="utf-8")


def banking77() -> None:
    """Lay out the requests to a bank."""
    link_model()
    for split in ("train", "test"):
        shutil.copy(required(f"banking77_{split}.csv"), f"banking77_{split}.csv")


def banking77_ten_samples() -> None:
    """Keep the first ten training texts of each intent."""
    banking77()
    with Path("banking77_train.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    seen: Counter[str] = Counter()
    with Path("banking77_train.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        for row in rows:
            if seen[row["category"]] < 10:
                writer.writerow(row)
            seen[row["category"]] += 1


def omniglot() -> None:
    """Unpack the images."""
    for part in ("small1", "small2"):
        with zipfile.ZipFile(required(f"omniglot_{part}.zip")) as archive:
            archive.extractall()


def link_model() -> None:
    """Make the model's name on the hub a folder here, so that nothing is fetched."""
    Path(MODEL).parent.mkdir()
    Path(MODEL).symlink_to(minilm(), target_is_directory=True)


def required(name: str) -> Path:
    """Return the path of a data file."""
    if not (DATA / name).exists():
        raise SystemExit(f"{name} is not here; this task needs it. Choose others with --tasks.")
    return DATA / name


TASKS: Final = {
    "python_docs": Task(
        "P@1, descriptions to functions", 0.62, 10 / 60, nothing,
        precision_of_questions, sentence_transformers_trainer,
    ),
    "cloud_faq_heads": Task(
        "P@1, questions to answers", 0.76, 3, cloud_faq,
        precision_of_questions, metric_learning_over_embeddings,
    ),
    "cloud_faq_one_pool": Task(
        "P@1, questions and answers in one pool", 0.62, 3, cloud_faq_by_source,
        precision_in_one_pool, metric_learning_over_embeddings,
    ),
    "cloud_faq_finetuned": Task(
        "P@1, questions to answers", 0.80, 30, cloud_faq,
        precision_of_questions, sentence_transformers_trainer,
    ),
    "banking77_heads": Task(
        "accuracy of five neighbours", 0.937, 3, banking77,
        accuracy_of_neighbours, metric_learning_over_embeddings,
    ),
    "banking77_finetuned": Task(
        "accuracy of five neighbours", 0.945, 30, banking77,
        accuracy_of_neighbours, sentence_transformers_trainer,
    ),
    "banking77_ten_samples": Task(
        "accuracy of five neighbours", 0.86, 30, banking77_ten_samples,
        accuracy_of_neighbours, sentence_transformers_trainer,
    ),
    "omniglot": Task(
        "20-way one-shot accuracy", 0.85, 20, omniglot,
        one_shot_accuracy, metric_learning_over_images,
    ),
}  # fmt: skip


if __name__ == "__main__":
    main()
