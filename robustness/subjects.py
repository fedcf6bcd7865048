"""Small models of every kind, saved once, whose folders are then changed."""

from __future__ import annotations

import logging
import shutil
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from torch import Tensor

from quaterion_core.encoders import Encoder
from quaterion_core.heads import (
    EmptyHead,
    GatedHead,
    HubnessReductionHead,
    SequentialHead,
    SkipConnectionHead,
    StackedProjectionHead,
)
from quaterion_core.model import SimilarityModel

TEXTS = ["delete a file", "open the folder", "", "a b c d e f", "na " * 40 + "banana" * 40]


class Letters(Encoder):
    """An encoder of another package, with the saving that all have."""

    def __init__(self, letters: str, size: int = 3):
        super().__init__()
        self.letters = letters
        self.size = size
        self.weight = torch.nn.Parameter(torch.randn(len(letters), size))

    trainable = True

    @property
    def embedding_size(self) -> int:
        return self.size

    def get_collate_fn(self) -> Callable[[list[str]], Tensor]:
        return lambda texts: torch.tensor(
            [[float(text.count(c)) for c in self.letters] for text in texts]
        )

    def forward(self, batch: Any) -> Tensor:
        return batch @ self.weight

    def get_config_dict(self) -> dict[str, Any]:
        return {"letters": self.letters, "size": self.size}


@dataclass
class Subject:
    """A saved model.

    Args:
        name: What it is.
        folder: Where it is saved.
        objects: What it embeds.
        expected: The embeddings.
    """

    name: str
    folder: Path
    objects: list[Any]
    expected: np.ndarray[Any, Any]


def load(folder: Path) -> SimilarityModel:
    """Load a subject's model."""
    return SimilarityModel.load(folder, components={"local/letters": Letters})


def make_subjects(root: Path) -> list[Subject]:
    """Save all models below a folder."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    made = {
        "sentence-transformers": (_sentence_transformer(), None),
        "static": (_static(), None),
        "fasttext": (_fasttext(), None),
        "timm": (_timm(), None),
        "own-encoder": (Letters("abcdef"), SequentialHead(
            torch.nn.Linear(3, 4), torch.nn.ReLU(), GatedHead(4), output_size=4)),
        "heads": (Letters("abc"), None),
    }  # fmt: skip
    subjects = []
    for name, (encoder, head) in made.items():
        size = encoder.embedding_size
        if name == "heads":
            inner = StackedProjectionHead(size, [4, 2])
            head = HubnessReductionHead(inner, torch.randn(6, 2), neighbors=2)
        if head is None:
            head = SkipConnectionHead(size) if name != "timm" else EmptyHead(size)
        model = SimilarityModel(encoder, head).eval()
        objects: list[Any] = TEXTS
        if name == "timm":
            objects = [np.full((8, 8, 3), value, dtype=np.uint8) for value in (0, 100, 255)]
        folder = root / name
        model.save(folder)
        expected = load(folder).encode(objects)
        assert np.array_equal(expected, model.encode(objects)), name
        subjects.append(Subject(name, folder, objects, expected))
    return subjects


def _sentence_transformer() -> Encoder:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Pooling, Transformer
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    from quaterion_nlp import SentenceTransformerEncoder

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    trainer = trainers.WordPieceTrainer(vocab_size=80, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(TEXTS * 3, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=8, num_hidden_layers=2,
        num_attention_heads=2, intermediate_size=16, max_position_embeddings=32,
    )  # fmt: skip
    folder = Path(tempfile.mkdtemp())
    BertModel(config).save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
        sep_token="[SEP]", model_max_length=32,
    ).save_pretrained(folder)  # fmt: skip
    transformer = Transformer(str(folder))
    shutil.rmtree(folder)
    modules = [transformer, Pooling(8), Dense(8, 6)]
    model = SentenceTransformer(modules=modules, device="cpu")
    return SentenceTransformerEncoder(model, prompt="say: ")


def _static() -> Encoder:
    from quaterion_nlp import StaticEncoder

    return StaticEncoder.from_data(TEXTS[:2] * 2, vocab_size=270, embedding_size=4)


def _fasttext() -> Encoder:
    from quaterion_nlp import FasttextEncoder
    from quaterion_nlp.encoders.subword_vectors import SubwordVectors

    rng = np.random.default_rng(0)
    words, ngrams = (rng.standard_normal((n, 3)).astype(np.float32) for n in (2, 5))
    return FasttextEncoder(SubwordVectors(["delete", "file"], words, ngrams, 2, 3))


def _timm() -> Encoder:
    from quaterion_cv import TimmEncoder

    return TimmEncoder("test_resnet", pretrained=False, image_size=32)
