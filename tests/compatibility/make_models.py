"""Saved models of every component that can be saved, and what they embed.

Run it with the code of one commit, and compare with the code of another one::

    python tests/compatibility/make_models.py make FOLDER
    python tests/compatibility/make_models.py compare FOLDER

Each model is a folder ``FOLDER/NAME`` with the saved ``model``, the ``objects`` that it embeds and
their embeddings, ``embeddings.npy``. ``compare`` loads all of them and ends with exit code 1 unless
every embedding is the same bit for bit, on the same machine. Only names that have been public since
the first version are used, so that this file runs with the code of any commit.
"""

from __future__ import annotations

import json
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import (
    Dense,
    Normalize,
    Pooling,
    Transformer,
)
from torch import nn

from quaterion_core.dataset import Document, Query
from quaterion_core.encoders import (
    Encoder,
    PrecomputedEncoder,
    SwitchEncoder,
    TextAndImageEncoder,
)
from quaterion_core.heads import (
    EmptyHead,
    EncoderHead,
    GatedHead,
    HubnessReductionHead,
    LinearProjectionHead,
    QueryAndDocumentHead,
    SequentialHead,
    SkipConnectionHead,
    SoftmaxEmbeddingsHead,
    StackedProjectionHead,
    SwitchHead,
    WideningHead,
)
from quaterion_core.model import SimilarityModel
from quaterion_cv import BNNeckHead, TimmEncoder
from quaterion_nlp import (
    FasttextEncoder,
    NormalizedProjectionHead,
    SentenceTransformerEncoder,
    StaticEncoder,
)
from quaterion_nlp.encoders.subword_vectors import SubwordVectors

TEXTS = [
    "delete a file",
    "remove a directory tree and all that is in it",
    "open a file",
    "",
    "Öffne ☃",
    "very long " * 60,
]
IMAGES = [
    np.random.default_rng(seed).integers(256, size=size, dtype=np.uint8)
    for seed, size in enumerate([(20, 30, 3), (32, 32, 3), (40, 9, 3)])
]
BATCH_SIZE = 4


class ByLength(SwitchEncoder):
    """Short texts to one encoder, long ones to the other."""

    @classmethod
    def encoder_selection(cls, record: str) -> str:
        """Choose by the number of characters."""
        return "short" if len(record) < 12 else "long"


class Lengths(Encoder):
    """Embeds a text as its length times a row of weights; not registered by any plugin."""

    def __init__(self, size: int = 8):
        super().__init__()
        self.row = nn.Parameter(torch.randn(size))

    @property
    def trainable(self) -> bool:
        """Always True."""
        return True

    @property
    def embedding_size(self) -> int:
        """Number of components of an embedding."""
        return len(self.row)

    def get_collate_fn(self) -> Callable[[list[str]], torch.Tensor]:
        """Return the function that converts texts to lengths."""
        return lambda texts: torch.tensor([[float(len(text))] for text in texts])

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """Multiply lengths and weights."""
        return batch * self.row

    def get_config_dict(self) -> dict[str, Any]:
        """Return the size."""
        return {"size": self.embedding_size}


COMPONENTS = {"local/by-length": ByLength, "local/lengths": Lengths}


def static(size: int = 8, **arguments: Any) -> StaticEncoder:
    return StaticEncoder.from_data(TEXTS, vocab_size=300, embedding_size=size, **arguments)


def fasttext(**arguments: Any) -> FasttextEncoder:
    words = ["a", "file", "tree", "and", "open", "delete"]
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(len(words), 4)).astype(np.float32)
    subwords = generator.normal(size=(50, 4)).astype(np.float32)
    return FasttextEncoder(SubwordVectors(words, vectors, subwords, 3, 6), **arguments)


def timm(**arguments: Any) -> TimmEncoder:
    return TimmEncoder("test_resnet", pretrained=False, image_size=32, **arguments)


def tiny_bert(folder: Path, *, whole: bool = True) -> SentenceTransformer:
    """Make a sentence-transformers model of two small BERT layers and mean pooling.

    The whole model has a dense layer and a normalisation on top.
    """
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted({*" ".join(TEXTS).split()})]
    config = transformers.BertConfig(
        vocab_size=len(words), hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=64,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(folder)
    vocabulary = {word: index for index, word in enumerate(words)}
    transformers.BertTokenizerFast(vocab=vocabulary).save_pretrained(folder)
    transformer = Transformer(str(folder), max_seq_length=32)
    modules = [transformer, Pooling(8, "mean"), *([Dense(8, 6), Normalize()] if whole else [])]
    return SentenceTransformer(modules=modules, device="cpu")


def sentence_transformer(folder: Path, **arguments: Any) -> SentenceTransformerEncoder:
    """Wrap a new sentence-transformers model."""
    model = tiny_bert(folder, whole="layers" not in arguments)
    return SentenceTransformerEncoder(model, **arguments)


def trained(head: EncoderHead) -> EncoderHead:
    """Replace the initial weights of a head by random ones."""
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    head.train()
    if not isinstance(head, SwitchHead):
        for _ in range(3):  # running statistics, where it has any
            head(torch.randn(16, head.input_embedding_size))
    return head


def heads() -> dict[str, Callable[[], EncoderHead]]:
    """Return each kind of head of eight numbers."""
    return {
        "bn-neck": lambda: BNNeckHead(8),
        "gated": lambda: GatedHead(8, dropout=0.2),
        "hubness-reduction": lambda: HubnessReductionHead(
            GatedHead(8), torch.randn(30, 8), neighbors=5, weight=2.0
        ),
        "identity": lambda: EmptyHead(8),
        "linear-projection": lambda: LinearProjectionHead(8, 5, dropout=0.1),
        "linear-projection-without-bias": lambda: LinearProjectionHead(
            8, 8, bias=False, initial="identity"
        ),
        "normalized-projection": lambda: NormalizedProjectionHead(8, 5),
        "sequential": lambda: SequentialHead(
            nn.Linear(8, 6), nn.Tanh(), nn.LayerNorm(6), nn.BatchNorm1d(6), nn.Dropout(0.2),
            GatedHead(6), nn.PReLU(), output_size=6,
        ),
        "skip-connection": lambda: SkipConnectionHead(8, skip_dropout=0.1, n_layers=2),
        "softmax-embeddings": lambda: SoftmaxEmbeddingsHead(2, 3, 8),
        "stacked-projection": lambda: StackedProjectionHead(8, [12, 5], activation_fn="gelu"),
        "widening": lambda: WideningHead(8, expansion_factor=2.0),
    }  # fmt: skip


def text_models(folder: Path) -> dict[str, Callable[[], SimilarityModel]]:
    """Return models of texts: each head, each encoder of texts, several encoders, switches."""

    def model_of(encoder: Any, head: EncoderHead | None = None) -> SimilarityModel:
        size = SimilarityModel.get_encoders_output_size(encoder)
        return SimilarityModel(encoder, trained(head or GatedHead(size)))

    def hubness_of_model() -> SimilarityModel:
        model = model_of(static(), LinearProjectionHead(8, 6))
        model.reduce_hubness(TEXTS, neighbors=2)
        return model

    models: dict[str, Callable[[], SimilarityModel]] = {
        f"head-{name}": (lambda build=build: model_of(static(), build()))
        for name, build in heads().items()
    }
    models |= {
        "head-switch": lambda: model_of(
            ByLength({"short": static(), "long": Lengths()}),
            SwitchHead({"short": GatedHead(8), "long": WideningHead(8, 2.0)}, 8),
        ),
        "head-query-and-document-prompts": lambda: model_of(
            static(), QueryAndDocumentHead(GatedHead(8), 8)
        ),
        "reduce-hubness": hubness_of_model,
        "encoder-static-frozen": lambda: model_of(static(trainable=False, lowercase=False)),
        "encoder-static-length": lambda: model_of(static(length=1.0)),
        "encoder-static-from-model": lambda: model_of(
            StaticEncoder.from_data(TEXTS, model=tiny_bert(folder), pca=4)
        ),
        "encoder-fasttext": lambda: model_of(fasttext()),
        "encoder-fasttext-aggregations": lambda: model_of(fasttext(aggregations=["avg", "max"])),
        "encoder-sentence-transformer": lambda: model_of(sentence_transformer(folder)),
        "encoder-sentence-transformer-trained": lambda: model_of(
            sentence_transformer(folder, trainable=True, max_seq_length=16)
        ),
        "encoder-sentence-transformer-prompt": lambda: model_of(
            sentence_transformer(folder, prompt="open ")
        ),
        "encoder-sentence-transformer-prompts": lambda: model_of(
            sentence_transformer(folder, prompts={"query": "open ", "document": "a "})
        ),
        "encoder-sentence-transformer-layers": lambda: model_of(
            sentence_transformer(folder, layers=1, pooling=["mean", "max"])
        ),
        "encoder-sentence-transformer-train-layers": lambda: model_of(
            sentence_transformer(folder, train_layers=1)
        ),
        "encoder-sentence-transformer-lora": lambda: model_of(
            sentence_transformer(folder, lora={"r": 2})
        ),
        "encoder-switch": lambda: model_of(ByLength({"short": static(), "long": Lengths()})),
        "several-encoders": lambda: model_of(
            {"words": static(4), "vectors": fasttext(), "lengths": Lengths(3)}
        ),
    }
    return models


def image_models() -> dict[str, Callable[[], SimilarityModel]]:
    """Return models of images."""

    def model_of(encoder: Encoder) -> SimilarityModel:
        return SimilarityModel(encoder, trained(SkipConnectionHead(encoder.embedding_size)))

    return {
        "encoder-timm": lambda: model_of(timm()),
        "encoder-timm-one-channel": lambda: model_of(timm(in_chans=1)),
        "encoder-timm-gem": lambda: model_of(timm(trainable=True, pooling="gem")),
        "encoder-timm-train-stages": lambda: model_of(
            timm(
                trainable=True,
                train_stages=2,
                augmentation=["crop", {"name": "rotate", "degrees": 10}],
            )
        ),
    }


def text_and_image_model() -> SimilarityModel:
    image = timm()
    options = {"text": static(image.embedding_size), "image": image}
    encoder = TextAndImageEncoder(options)
    return SimilarityModel(encoder, trained(GatedHead(encoder.embedding_size)))


def precomputed(folder: Path) -> PrecomputedEncoder:
    vectors = np.random.default_rng(0).normal(size=(len(TEXTS), 4))
    np.savez(folder / "vectors.npz", object=TEXTS, embedding=vectors)
    return PrecomputedEncoder(folder / "vectors.npz")


def all_models(folder: Path) -> Iterator[tuple[str, Callable[[], SimilarityModel], list[Any]]]:
    """Yield a name, a function that builds the model, and what it embeds."""
    for name, build in text_models(folder).items():
        has_roles = name.endswith("-prompts")
        yield name, build, [*map(Query, TEXTS), *map(Document, TEXTS)] if has_roles else TEXTS
    for name, build in image_models().items():
        yield name, build, IMAGES
    yield "encoder-precomputed", lambda: SimilarityModel(precomputed(folder), EmptyHead(4)), TEXTS
    yield "encoder-text-and-image", text_and_image_model, [*TEXTS, *IMAGES]


def make(folder: Path) -> list[str]:
    """Make a folder of saved models; return their names."""
    names = []
    for seed, (name, build, objects) in enumerate(all_models(Path(tempfile.mkdtemp()))):
        torch.manual_seed(seed)
        model = build().eval()
        (folder / name / "objects").mkdir(parents=True)
        model.save(folder / name / "model")
        for number, each in enumerate(objects):
            write_object(folder / name / "objects" / f"{number:03}", each)
        np.save(folder / name / "embeddings.npy", model.encode(objects, batch_size=BATCH_SIZE))
        names.append(name)
    return names


def compare(folder: Path) -> dict[str, str]:
    """Load and embed all models of a folder; return what is different, by name."""
    problems = {}
    names = sorted(path.parent.name for path in folder.glob("*/embeddings.npy"))
    if not names:
        raise SystemExit(f"There are no models in {folder}.")
    for name in names:
        expected = np.load(folder / name / "embeddings.npy")
        objects = [read_object(path) for path in sorted((folder / name / "objects").iterdir())]
        try:
            model = SimilarityModel.load(folder / name / "model", components=COMPONENTS)
            embeddings = model.encode(objects, batch_size=BATCH_SIZE)
        except Exception:
            problems[name] = traceback.format_exc()
            continue
        if embeddings.dtype != expected.dtype or embeddings.shape != expected.shape:
            problems[name] = (
                f"{embeddings.dtype} {embeddings.shape}, not {expected.dtype} {expected.shape}"
            )
        elif embeddings.tobytes() != expected.tobytes():
            problems[name] = f"differs by up to {np.abs(embeddings - expected).max()}"
    return problems


def write_object(path: Path, value: str | np.ndarray) -> None:
    if isinstance(value, str):
        path.with_suffix(".json").write_text(json.dumps([type(value).__name__, value]))
    else:
        np.save(path.with_suffix(".npy"), value)


def read_object(path: Path) -> str | np.ndarray:
    if path.suffix != ".json":
        return np.load(path)
    role, text = json.loads(path.read_text())
    return {"str": str, "Query": Query, "Document": Document}[role](text)


def main() -> int:
    torch.set_num_threads(1)
    action, folder = sys.argv[1], Path(sys.argv[2])
    if action == "make":
        print(f"{len(make(folder))} models in {folder}")
        return 0
    problems = compare(folder)
    for name, problem in problems.items():
        print(f"{name}: {problem}")
    print(f"{len(problems)} of {len(list(folder.glob('*/embeddings.npy')))} models differ")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
