"""Gradient caching: the gradient of a large batch in the memory of a small one.

A batch is embedded chunk by chunk, and only the embeddings are kept. The loss of the whole batch
gives the gradient of every embedding; in the backward pass each chunk is embedded again, with the
same random numbers, and its gradient is propagated to the parameters.

Source: Gao, Zhang, Han, Callan, Scaling Deep Contrastive Learning Batch Size under Memory Limited
Setup, RepL4NLP 2021, section 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from quaterion_core.dataset.embedded import Embedded
from quaterion_core.dataset.train_collator import Features
from quaterion_core.model import SimilarityModel


def embed_in_chunks(model: SimilarityModel, chunks: list[Features]) -> Tensor:
    """Embed a batch that is split into chunks.

    The gradient equals that of chunks embedded one after another and concatenated. Batch
    normalisation in a trainable encoder or head computes its statistics over one chunk.

    Args:
        model: The model.
        chunks: Features of each chunk, and the ``positions`` of its objects in the batch.

    Returns:
        Embeddings of all N objects in the order of the batch, (N, D).
    """
    embeddings = torch.cat([_embed(model, chunk) for chunk in chunks])
    positions = torch.cat([chunk["positions"] for chunk in chunks])
    return embeddings.index_select(0, positions.argsort())


def _embed(model: SimilarityModel, chunk: Features) -> Tensor:
    """Embed a chunk, with recomputation in the backward pass.

    Frozen encoders run only once: they need no graph.
    """
    data = dict(chunk["data"])
    for key, encoder in model.encoders.items():
        if not encoder.trainable and not isinstance(data[key], Embedded):
            with torch.no_grad():
                data[key] = Embedded(encoder(data[key]))
    chunk = {**chunk, "data": data}
    embeddings: Tensor
    if not torch.is_grad_enabled():
        embeddings = model(chunk)
        return embeddings

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _statistics_kept(model)

    # The random states of the devices of the tensors among the arguments are preserved.
    device = next(model.parameters()).device
    embeddings = checkpoint(
        lambda _: model(chunk),
        torch.empty(0, device=device),
        use_reentrant=False,
        context_fn=contexts,
    )
    return embeddings


@contextmanager
def _statistics_kept(model: SimilarityModel) -> Iterator[None]:
    """Keep the second pass over a chunk from updating the running statistics of batch norm."""
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    counts = [norm.num_batches_tracked for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
        norm.num_batches_tracked = None
    try:
        yield
    finally:
        for norm, momentum, count in zip(norms, momenta, counts, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count
