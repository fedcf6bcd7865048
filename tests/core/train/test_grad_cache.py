import copy

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from quaterion_core import Quaterion, TrainableModel
from quaterion_core.dataset import GroupSimilarityDataLoader, PairsSimilarityDataLoader
from quaterion_core.dataset.chunking import Chunking
from quaterion_core.dataset.train_collator import TrainCollator
from quaterion_core.encoders import Encoder
from quaterion_core.encoders.encoder import collate_functions
from quaterion_core.heads import SkipConnectionHead
from quaterion_core.loss import ArcFaceLoss, MultipleNegativesRankingLoss, TripletLoss
from quaterion_core.model import SimilarityModel
from quaterion_core.train.cache import CacheConfig
from quaterion_core.train.grad_cache import embed_in_chunks


class Counting(Encoder):
    """Two linear layers that count their calls and see the largest batch."""

    embedding_size = 5

    def __init__(self, trainable=True, dropout=0.0, norm=False):
        super().__init__()
        self.is_trainable = trainable
        layers = [nn.Linear(6, 8), nn.BatchNorm1d(8)] if norm else [nn.Linear(6, 8)]
        self.layers = nn.Sequential(*layers, nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 5))
        self.sizes = []

    @property
    def trainable(self):
        return self.is_trainable

    def get_collate_fn(self):
        return torch.tensor

    def forward(self, batch):
        self.sizes.append(len(batch))
        return self.layers(batch)

    def get_config_dict(self):
        return {}


def lengths(points):
    """Order the objects of a batch in some way."""
    return [int(100 * point[0]) for point in points]


def features_of(model, samples, loader, chunk=None):
    chunking = None if chunk is None else Chunking(chunk, {"default": lengths})
    collator = TrainCollator(loader.pre_collate_fn, collate_functions(model.encoders), {}, chunking)
    features, targets = collator(samples)
    return features if chunk is None else features["chunks"], targets


def embedded_one_by_one(model, chunks):
    """Embed chunks with a graph, and put the embeddings into the order of the batch."""
    embeddings = torch.cat([model(chunk) for chunk in chunks])
    result = torch.empty_like(embeddings)
    result[torch.cat([chunk["positions"] for chunk in chunks])] = embeddings
    return result


def gradients(embeddings, model, loss, targets):
    loss(embeddings=embeddings, **targets).backward()
    return {name: p.grad for name, p in [*model.named_parameters(), *loss.named_parameters()]}


@pytest.mark.parametrize("chunk", [1, 5, 32, 100])
@pytest.mark.parametrize(
    "loss", [TripletLoss(), ArcFaceLoss(5, 4, scale=8.0)], ids=["triplet", "arcface"]
)
def test_the_gradient_is_that_of_the_whole_batch(groups, chunk, loss):
    torch.manual_seed(0)
    model = SimilarityModel(Counting(), SkipConnectionHead(5))
    whole = copy.deepcopy(model), copy.deepcopy(loss)
    features, targets = features_of(model, groups, GroupSimilarityDataLoader)
    expected = gradients(whole[0](features), *whole, targets)
    chunks, targets = features_of(model, groups, GroupSimilarityDataLoader, chunk)
    found = gradients(embed_in_chunks(model, chunks), model, copy.deepcopy(loss), targets)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    assert max(model.encoders["default"].sizes) <= chunk


def test_dropout_is_the_same_on_the_way_back(pairs):
    """As in a graph over the same chunks, drawn from the same state."""
    torch.manual_seed(0)
    model = SimilarityModel(Counting(dropout=0.5), SkipConnectionHead(5, dropout=0.5)).train()
    plain = copy.deepcopy(model)
    loss = MultipleNegativesRankingLoss()
    chunks, targets = features_of(model, pairs, PairsSimilarityDataLoader, 3)
    torch.manual_seed(1)
    expected = gradients(embedded_one_by_one(plain, chunks), plain, loss, targets)
    after = torch.get_rng_state()
    torch.manual_seed(1)
    found = gradients(embed_in_chunks(model, chunks), model, loss, targets)
    torch.testing.assert_close(found, expected)
    assert torch.equal(torch.get_rng_state(), after)


def test_averages_of_batch_normalisation_move_once(groups):
    torch.manual_seed(0)
    model = SimilarityModel(Counting(norm=True), SkipConnectionHead(5)).train()
    plain = copy.deepcopy(model)
    chunks, targets = features_of(model, groups, GroupSimilarityDataLoader, 8)
    for chunk in chunks:
        plain(chunk)
    gradients(embed_in_chunks(model, chunks), model, TripletLoss(), targets)
    torch.testing.assert_close(dict(model.named_buffers()), dict(plain.named_buffers()))
    assert model.encoders["default"].layers[1].momentum == 0.1


def test_only_what_is_trained_runs_twice(groups):
    encoders = {"frozen": Counting(trainable=False), "trained": Counting()}
    model = SimilarityModel(encoders, SkipConnectionHead(10))
    chunks, targets = features_of(model, groups, GroupSimilarityDataLoader, 4)
    gradients(embed_in_chunks(model, chunks), model, TripletLoss(), targets)
    count = len(chunks)
    assert [len(encoders[key].sizes) for key in ("frozen", "trained")] == [count, 2 * count]


def test_without_gradients_everything_runs_once(groups):
    model = SimilarityModel(Counting(), SkipConnectionHead(5)).eval()
    chunks, _ = features_of(model, groups, GroupSimilarityDataLoader, 4)
    with torch.no_grad():
        embeddings = embed_in_chunks(model, chunks)
    assert len(model.encoders["default"].sizes) == len(chunks)
    torch.testing.assert_close(embeddings, embedded_one_by_one(model, chunks))


def test_no_graph_is_kept_of_a_chunk(groups):
    """The memory of what the layers would keep for the way back is free before the loss."""
    saved = []
    model = SimilarityModel(Counting(), SkipConnectionHead(5))
    chunks, _ = features_of(model, groups, GroupSimilarityDataLoader, 4)

    def pack(tensor):
        if tensor.is_floating_point():  # and no positions
            saved.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        embed_in_chunks(model, chunks)
    assert sum(saved) == 0


class Model(TrainableModel):
    def __init__(self, encoders, loss, cache=None):
        torch.manual_seed(0)
        self._choice = encoders, loss, cache
        super().__init__()

    def configure_encoders(self):
        return self._choice[0]

    def configure_head(self, input_embedding_size):
        return SkipConnectionHead(input_embedding_size)

    def configure_loss(self):
        return self._choice[1]

    def configure_caches(self):
        return self._choice[2]

    def configure_optimizers(self):
        return torch.optim.SGD(self.model.parameters(), lr=0.1)


class Losses(pl.Callback):
    def __init__(self):
        self.values = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.values.append(float(outputs["loss"]))


@pytest.mark.parametrize(
    "arguments",
    [{}, {"accumulate_grad_batches": 2}, {"gradient_clip_val": 0.1}, {"precision": "bf16-mixed"}],
    ids=lambda arguments: next(iter(arguments), "plain"),
)
@pytest.mark.parametrize("cached", [False, True], ids=["one encoder", "beside a cached one"])
def test_a_training_in_chunks_is_that_of_whole_batches(make_trainer, groups, arguments, cached):
    losses = []
    for chunk in (None, 3):
        torch.manual_seed(0)
        encoders = {"trained": Counting()}
        if cached:
            encoders["cached"] = Counting(trainable=False)
        callback = Losses()
        trainer = make_trainer(callbacks=[callback], max_epochs=3, **arguments)
        loss = ArcFaceLoss(5 * len(encoders), 4, scale=8.0)
        model = Model(encoders, loss, CacheConfig() if cached else None)
        loader = GroupSimilarityDataLoader(groups, batch_size=8, shuffle=True)
        torch.manual_seed(1)
        Quaterion.fit(model, trainer, loader, loader, grad_cache_chunk=chunk)
        losses.append(callback.values)
        assert max(encoders["trained"].sizes) == (chunk or 8)
    tolerance = 0.1 if "precision" in arguments else 1e-4
    assert losses[1] == pytest.approx(losses[0], rel=tolerance)


@pytest.mark.parametrize("chunk", [0, -1, 2.5, "64", True])
def test_a_chunk_is_a_positive_number(make_trainer, groups, chunk):
    loader = GroupSimilarityDataLoader(groups, batch_size=8)
    with pytest.raises(ValueError, match="Expected grad_cache_chunk to be a positive number"):
        Quaterion.fit(
            Model(Counting(), TripletLoss()), make_trainer(), loader, grad_cache_chunk=chunk
        )
