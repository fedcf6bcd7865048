"""What models of peers learn from the data of a recipe: for :mod:`benchmarks.quality`.

Data, encoder, head, batch size, number of epochs, optimizer and schedule are those of the recipe.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
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
from quaterion_core.components import split_choice
from quaterion_core.dataset import SimilarityPairSample
from quaterion_core.encoders.encoder import train_collate_functions
from quaterion_core.heads import EmptyHead
from quaterion_core.recipe import Recipe
from quaterion_core.train.optimizers import choose_optimizer
from quaterion_core.train.schedules import Schedule, build_schedule

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
    place, (name, encoder) = _trained_encoder(recipe)
    if name == "static":
        tokenizer = AutoTokenizer.from_pretrained(minilm())
        module = StaticEmbedding(tokenizer, embedding_dim=encoder["embedding_size"])
        model = SentenceTransformer(modules=[module], device="cpu")
    else:
        model = SentenceTransformer(minilm(), device="cpu")
    columns, loss, batches = _objective(recipe, samples, model)
    optimizer = choose_optimizer(recipe.optimizer)
    settings = {**optimizer.arguments, **optimizer.parts.get(place, {})}
    schedule = _schedule(recipe)
    with tempfile.TemporaryDirectory() as folder:
        arguments = SentenceTransformerTrainingArguments(
            folder,
            num_train_epochs=recipe.epochs,
            # Its sampler by labels takes even numbers only.
            per_device_train_batch_size=recipe.batch_size + recipe.batch_size % 2,
            learning_rate=settings["lr"],
            weight_decay=settings.get("weight_decay", 0.0),
            max_grad_norm=0.0,
            lr_scheduler_type=schedule.name,
            warmup_steps=schedule.warm_up,
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


def _trained_encoder(recipe: Recipe) -> tuple[str, tuple[str, dict[str, Any]]]:
    """Return the place of the first encoder that is trained, and its name and arguments.

    The peer has one encoder: what a recipe puts beside it is ours alone.
    """
    if recipe.encoder is not None:
        return "encoder", split_choice("encoder", recipe.encoder)
    choices = {
        f"encoders.{key}": split_choice("encoder", choice)
        for key, choice in (recipe.encoders or {}).items()
    }
    return next((place, choice) for place, choice in choices.items() if choice[1].get("trainable"))


def _objective(
    recipe: Recipe, samples: Sequence[Any], model: SentenceTransformer
) -> tuple[dict[str, list[Any]], nn.Module, str]:
    """Return the columns of the data, the loss, and how batches are made."""
    if not isinstance(samples[0], SimilarityPairSample):
        texts = [sample.obj for sample in samples]
        columns = {"text": texts, "label": _labels(samples).tolist()}
        return columns, BatchAllTripletLoss(model), "group_by_label"
    columns = {
        "anchor": [sample.obj_a for sample in samples],
        "positive": [sample.obj_b for sample in samples],
    }
    directions = ("query_to_doc", "doc_to_query")
    settings = {"directions": directions, "partition_mode": "per_direction"}
    scale = split_choice("loss", recipe.loss)[1]["scale"]
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
        encoder=recipe.encoder,
        encoders=recipe.encoders,
        head=recipe.head,
        loss=recipe.loss,
        data=samples,
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
        inputs = frozen.encode([s.obj for s in samples], to_numpy=False).unsqueeze(1)
        labels = _labels(samples).unsqueeze(1)
        loss = losses.SupConLoss(temperature=0.1)

    def embed(rows: Tensor) -> Tensor:
        return head(inputs[rows].flatten(0, 1))

    _train(recipe, head, loss, embed, labels)
    return PeerModel(PML, lambda texts: head(frozen.encode(texts, to_numpy=False)).detach())


def metric_learning_over_images(recipe: Recipe, samples: Sequence[Any]) -> PeerModel:
    """Train the recipe's encoder on its images with a loss of pytorch-metric-learning."""
    torch.manual_seed(recipe.seed)
    built = Quaterion.build(
        encoder=recipe.encoder, head=recipe.head, loss=recipe.loss, data=samples
    )
    model = built.model
    labels = _labels(samples)
    _, arguments = split_choice("loss", recipe.loss)
    loss = losses.CosFaceLoss(
        int(labels.max()) + 1,
        model.embedding_size,
        margin=arguments["margin"],
        scale=arguments["scale"],
    )
    mixed = recipe.trainer.get("precision") == "bf16-mixed"
    collate = train_collate_functions(model.encoders)["default"]

    def embed(rows: Tensor) -> Tensor:
        batch = collate([samples[row].obj for row in rows.tolist()])
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            return model.encoders["default"](batch).float()

    _train(recipe, model, loss, embed, labels)
    return PeerModel(PML, lambda images: model.encode(images, to_numpy=False))


def _labels(samples: Sequence[Any]) -> Tensor:
    """Number the groups of samples, shape (S,)."""
    groups = sorted({sample.group for sample in samples})
    return torch.tensor([groups.index(sample.group) for sample in samples])


def _train(
    recipe: Recipe,
    model: nn.Module,
    loss: Any,
    embed: Callable[[Tensor], Tensor],
    labels: Tensor,
) -> None:
    """Run a plain loop over S samples.

    Args:
        recipe: Says how many samples are in a batch, how many epochs there are, and how it steps.
        model: What is trained, beside the loss.
        loss: Takes embeddings and as many labels.
        embed: Embeds the objects of some samples, (B,) to (B * V, D).
        labels: Of the objects of each sample, shape (S,) or (S, V).
    """
    choice = choose_optimizer(recipe.optimizer)
    optimizer = choice.build({"head": model, "loss": loss})
    steps = recipe.epochs * -(-len(labels) // recipe.batch_size)
    schedule = _schedule(recipe).scheduler(optimizer, steps)
    model.train()
    for _ in range(recipe.epochs):
        for rows in torch.randperm(len(labels)).split(recipe.batch_size):
            value = loss(embed(rows), labels[rows].flatten())
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            schedule.step()
    model.eval()


def _schedule(recipe: Recipe) -> Schedule:
    """Return the schedule of a recipe, which may name none."""
    return build_schedule(recipe.schedule) or Schedule("constant")
