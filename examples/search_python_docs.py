"""Text search trained from scratch: functions of the standard library by their descriptions.

Run it with ``python examples/search_python_docs.py``. It requires quaterion-core and quaterion-nlp,
no download, and less than a minute on a laptop.
"""

from __future__ import annotations

import argparse
import logging
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import pytorch_lightning as pl
from rich.console import Console
from rich.table import Table
from sklearn.feature_extraction.text import TfidfVectorizer

from quaterion_core import Quaterion
from quaterion_core.dataset import PairsSimilarityDataLoader
from quaterion_core.eval.evaluator import Evaluator
from quaterion_core.eval.pair import RetrievalPrecision, RetrievalReciprocalRank
from quaterion_core.eval.samplers.pair_sampler import PairSampler
from quaterion_core.train.callbacks.progress_bar import QuaterionProgressBar
from quaterion_nlp.datasets.python_docs import PythonDocs

QUESTIONS = [
    "remove a directory tree",
    "split a url into its parts",
    "square root of a number",
    "encode data as base64",
    "run a command and capture its output",
]
console = Console(highlight=False)

# Hide Lightning's notices about hardware and other products.
logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
warnings.filterwarnings("ignore", module="pytorch_lightning")


def tfidf_precision(train: list, validation: list) -> float:
    """Return precision at 1 of a TF-IDF search. Ties count as wrong."""
    vectorizer = TfidfVectorizer().fit([text for s in train for text in (s.obj_a, s.obj_b)])
    queries = vectorizer.transform(sample.obj_a for sample in validation)
    names = vectorizer.transform(sample.obj_b for sample in validation)
    similarity = (queries @ names.T).toarray()
    right = similarity.diagonal()[:, None]
    return float(((similarity >= right).sum(axis=1) == 1).mean())


def main() -> None:
    """Train, evaluate and save a model, and search with it in a new process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="where to save the model")
    output = parser.parse_args().output or Path(tempfile.mkdtemp()) / "python_docs_model"

    pl.seed_everything(0, verbose=False)
    data = PythonDocs()
    train, validation = data.load("train"), data.load("validation")
    console.print(f"{len(train):,} functions for training, {len(validation):,} held out. Example:")
    console.print(f"  {validation[0].obj_a!r}  ->  {validation[0].obj_b!r}\n")

    model = Quaterion.build(
        encoder={"name": "quaterion-nlp/static", "embedding_size": 512},
        loss={"name": "multiple-negatives-ranking", "scale": 10.0, "symmetric": True},
        optimizer={"name": "adam", "lr": 0.01},
        data=train,
    )
    evaluator = Evaluator(
        {"P@1": RetrievalPrecision(k=1), "MRR": RetrievalReciprocalRank()},
        PairSampler(distinguish=True, encode_batch_size=256, log_progress=False),
    )
    before = Quaterion.evaluate(evaluator, validation, model.model)

    trainer = pl.Trainer(
        max_epochs=10,
        callbacks=[QuaterionProgressBar()],
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
    )
    Quaterion.fit(
        model,
        trainer,
        PairsSimilarityDataLoader(train, batch_size=256, shuffle=True),
        PairsSimilarityDataLoader(validation, batch_size=256),
    )
    after = Quaterion.evaluate(evaluator, validation, model.model)

    table = Table("", "TF-IDF", "before training", "after training", box=None, pad_edge=False)
    reference = {"P@1": f"{tfidf_precision(train, validation):.3f}", "MRR": ""}
    for name in after:
        table.add_row(name, reference[name], f"{before[name]:.3f}", f"{after[name]:.3f}")
    console.print(table)

    model.save_servable(output)
    console.print(f"\nSaved to {output}. New processes index the functions and search them:\n")
    names = output.with_suffix(".txt")
    names.write_text("\n".join(sample.obj_b for sample in [*train, *validation]))
    index = output.with_name("python_docs_index")
    quaterion = [sys.executable, "-m", "quaterion_core.cli"]
    subprocess.run([*quaterion, "index", output, names, "--output", index], check=True)
    subprocess.run([*quaterion, "search", index, "--top", "3", *QUESTIONS], check=True)


if __name__ == "__main__":
    main()
