"""What models of peers learn from the data of a recipe: for :mod:`benchmarks.quality`.

Data, encoder, head, batch size, number of epochs, optimizer and schedule are those of the recipe.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import Any, Final

import torch
from datasets import Dataset
from pytorch_metric_learning import losses
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.losses import (
    BatchAllTripletLoss,
    CachedMultipleNegativesRankingLoss,
    MultipleNegativesRankingLoss,
)
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from torch import Tensor, nn
from transformers import AutoTokenizer

from benchmarks.cached_training import minilm
from quaterion_core import Quaterion, SimilarityModel
from quaterion_core.dataset import SimilarityPairSample
from quaterion_core.heads import EmptyHead
from quaterion_core.recipe import Recipe
from quaterion_core.train.schedules import build_schedule

ST: Final = "sentence-transformers"
PML: Final = "pytorch-metric-learning"


class PeerModel:
    """Lets an evaluator judge a peer's model.

    Attributes:
        name: The peer.
    """

    def __init__(self, name: str, encode: Any):
        self.name = name
        self._encode = encode

    def encode(self, inputs: list[Any], batch_size: int = 64, to_numpy: bool = True) -> Any:
        """Embed objects, as an evaluator asks for it."""
        embeddings = self._encode(inputs)
        return embeddings.numpy() if to_numpy else embeddings


def sentence_transformers_trainer(recipe: Recipe, samples: Sequence[Any]) -> PeerModel:
    """Train with sentence-transformers' own trainer."""
    encoder = dict(recipe.encoder)  # type: ignore[arg-type]
    if encoder["name"] == "static":
        tokenizer = AutoTokenizer.from_pretrained(minilm())
        module = StaticEmbedding(tokenizer, embedding_dim=encoder["embedding_size"])
        model = SentenceTransformer(modules=[module], device="cpu")
    else:
        model = SentenceTransformer(minilm(), device="cpu")
    columns, loss, batches = _objective(recipe, samples, model)
    optimizer = dict(recipe.optimizer)  # type: ignore[arg-type]
    schedule = dict(recipe.schedule or {})  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as folder:
        arguments = SentenceTransformerTrainingArguments(
            folder,
            num_train_epochs=recipe.epochs,
            per_device_train_batch_size=recipe.batch_size,
            learning_rate=optimizer["lr"],
            weight_decay=optimizer.get("weight_decay", 0.0),
            max_grad_norm=0.0,
            lr_scheduler_type=schedule.get("name", "constant"),
            warmup_steps=schedule.get("warm_up", 0.0),
            batch_sampler=batches,
            bf16=recipe.trainer.get("precision") == "bf16-mixed",
            use_cpu=True,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            seed=recipe.seed,
        )
        data = Dataset.from_dict(columns)
        SentenceTransformerTrainer(model, arguments, train_dataset=data, loss=loss).train()
    model.eval()
    return PeerModel(ST, lambda texts: model.encode(texts, convert_to_tensor=True).clone())


def _objective(
    recipe: Recipe, samples: Sequence[Any], model: SentenceTransformer
) -> tuple[dict[str, list[Any]], nn.Module, str]:
    """Return the columns of the data, the loss, and how batches are made."""
    if not isinstance(samples[0], SimilarityPairSample):
        groups = sorted({sample.group for sample in samples})
        labels = [groups.index(sample.group) for sample in samples]
        columns = {"text": [sample.obj for sample in samples], "label": labels}
        return columns, BatchAllTripletLoss(model), "group_by_label"
    columns = {
        "anchor": [sample.obj_a for sample in samples],
        "positive": [sample.obj_b for sample in samples],
    }
    directions = ("query_to_doc", "doc_to_query")
    settings = {"directions": directions, "partition_mode": "per_direction"}
    scale = recipe.loss["scale"]  # type: ignore[index]
    if recipe.grad_cache_chunk is None:
        return columns, MultipleNegativesRankingLoss(model, scale, **settings), "batch_sampler"
    loss = CachedMultipleNegativesRankingLoss(
        model, scale, mini_batch_size=recipe.grad_cache_chunk, **settings
    )
    return columns, loss, "batch_sampler"


def metric_learning_over_embeddings(recipe: Recipe, samples: Sequence[Any]) -> PeerModel:
    """Train the recipe's head over embeddings with a loss of pytorch-metric-learning."""
    torch.manual_seed(recipe.seed)
    built = Quaterion.build(
        encoder=recipe.encoder, encoders=recipe.encoders, head=recipe.head, loss=recipe.loss
    )
    head = built.model.head
    frozen = SimilarityModel(built.model.encoders, EmptyHead(head.input_embedding_size))
    if isinstance(samples[0], SimilarityPairSample):
        objects = [[sample.obj_a for sample in samples], [sample.obj_b for sample in samples]]
        inputs = torch.stack([frozen.encode(side, to_numpy=False) for side in objects], dim=1)
        labels = torch.arange(len(samples)).unsqueeze(1).expand(-1, 2)
        # With two objects of each label this is NT-Xent; NTXentLoss itself lists all triples of a
        # batch, 64 GiB for 2,048 pairs.
        loss: Any = losses.SupConLoss(temperature=0.05)
    else:
        groups = sorted({sample.group for sample in samples})
        inputs = frozen.encode([s.obj for s in samples], to_numpy=False).unsqueeze(1)
        labels = torch.tensor([[groups.index(sample.group)] for sample in samples])
        loss = losses.SupConLoss(temperature=0.1)
    _train(recipe, head, loss, inputs, labels)
    return PeerModel(PML, lambda texts: head(frozen.encode(texts, to_numpy=False)).detach())


def _train(recipe: Recipe, head: nn.Module, loss: Any, inputs: Tensor, labels: Tensor) -> None:
    """Run a plain loop over inputs (S, V, D) of S samples with labels (S, V)."""
    optimizer, schedule = _optimizer(recipe, head.parameters(), len(inputs))
    for _ in range(recipe.epochs):
        for rows in torch.randperm(len(inputs)).split(recipe.batch_size):
            value = loss(head(inputs[rows].flatten(0, 1)), labels[rows].flatten())
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            schedule.step()
    head.eval()


def metric_learning_over_images(recipe: Recipe, samples: Sequence[Any]) -> PeerModel:
    """Train the recipe's encoder on its images with a loss of pytorch-metric-learning."""
    torch.manual_seed(recipe.seed)
    built = Quaterion.build(
        encoder=recipe.encoder, head=recipe.head, loss=recipe.loss, data=samples
    )
    model = built.model
    groups = sorted({sample.group for sample in samples})
    loss = losses.CosFaceLoss(len(groups), model.embedding_size, margin=0.35, scale=16)
    collate = model.train_collates()["default"]
    parameters = [*model.parameters(), *loss.parameters()]
    optimizer, schedule = _optimizer(recipe, parameters, len(samples))
    for _ in range(recipe.epochs):
        model.train()
        for rows in torch.randperm(len(samples)).split(recipe.batch_size):
            batch = [samples[row] for row in rows.tolist()]
            with torch.autocast("cpu", torch.bfloat16):
                embeddings = model.encoders["default"](collate([s.obj for s in batch]))
            labels = torch.tensor([groups.index(s.group) for s in batch])
            value = loss(embeddings.float(), labels)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            schedule.step()
    return PeerModel(PML, lambda images: model.encode(images, to_numpy=False))


def _optimizer(recipe: Recipe, parameters: Any, samples: int) -> tuple[Any, Any]:
    """Return the recipe's AdamW and schedule for plain loops."""
    optimizer = dict(recipe.optimizer)  # type: ignore[arg-type]
    adamw = torch.optim.AdamW(
        parameters, lr=optimizer["lr"], weight_decay=optimizer.get("weight_decay", 0.01)
    )
    steps = recipe.epochs * -(-samples // recipe.batch_size)
    schedule = build_schedule(recipe.schedule or "constant")
    assert schedule is not None
    return adamw, schedule.scheduler(adamw, steps)
