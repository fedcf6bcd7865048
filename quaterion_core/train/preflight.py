"""Checks of the model and the data before a training run starts."""

from __future__ import annotations

from typing import Any

from pytorch_lightning.utilities import rank_zero_warn
from torch.utils.data import IterableDataset

from quaterion_core.dataset.similarity_data_loader import (
    GroupSimilarityDataLoader,
    PairsSimilarityDataLoader,
    SimilarityDataLoader,
)
from quaterion_core.dataset.targets import score_tensor
from quaterion_core.loss.multiple_negatives_ranking_loss import MultipleNegativesRankingLoss
from quaterion_core.loss.similarity_loss import SimilarityLoss
from quaterion_core.train.epoch_loader import has_length


def check_loader(loader: object, name: str) -> None:
    """Check that a loader is a similarity loader with batches of the right samples.

    Args:
        loader: The given object.
        name: The argument's name, for the error.

    Raises:
        TypeError: It is not a similarity loader, or its first sample is of the wrong type.
        ValueError: It has no batches.
    """
    if not isinstance(loader, SimilarityDataLoader):
        raise TypeError(
            f"Expected {name} to be a PairsSimilarityDataLoader or a GroupSimilarityDataLoader, "
            f"got a {type(loader).__name__}. Make one with quaterion_core.dataset from a dataset "
            "of similarity samples."
        )
    dataset: Any = loader.dataset
    if not hasattr(dataset, "__len__"):
        return
    if len(dataset) == 0:
        raise ValueError(f"{name} has an empty dataset ({type(dataset).__name__} of length 0).")
    if len(loader) == 0:
        raise ValueError(
            f"{name} has no batch: its dataset has {len(dataset)} samples, fewer than the batch "
            f"size of {loader.batch_size}, and drop_last=True drops them. Use a smaller batch."
        )
    if "collate_fn" not in loader.original_params and not isinstance(dataset, IterableDataset):
        loader.check_samples([dataset[0]])


def check_shares(loader: SimilarityDataLoader[Any], name: str, processes: int) -> None:
    """Check that every process gets samples of a loader.

    Args:
        loader: A loader that passed :func:`check_loader`.
        name: The argument's name, for the error.
        processes: Number of processes.

    Raises:
        ValueError: There are fewer samples than processes, too few for ``drop_last``, or the
            sampler has no length.
    """
    dataset: Any = loader.dataset
    if processes == 1 or isinstance(dataset, IterableDataset) or loader.batch_sampler is None:
        return
    if not has_length(loader):
        raise ValueError(
            f"The sampler of {name} ({type(loader.sampler).__name__}) has no length, so its "
            f"samples cannot be divided among {processes} processes. Implement __len__, or train "
            "in one process."
        )
    if loader.drop_last and len(loader) < processes:
        raise ValueError(
            f"{name} leaves no step: drop_last=True drops what does not fill a batch in each of "
            f"{processes} processes, and {len(dataset)} samples in batches of {loader.batch_size} "
            f"fill {len(loader)}. Use a smaller batch_size, fewer processes or drop_last=False."
        )
    if len(dataset) < processes:
        raise ValueError(
            f"Expected at least one sample of {name} for each of {processes} processes, got "
            f"{len(dataset)}. Use fewer processes or more data."
        )


def check_loss_fits(loss: SimilarityLoss, loader: SimilarityDataLoader[Any], name: str) -> None:
    """Check that a loss supports the targets of a loader.

    All samples of a list are checked; those of other datasets are checked with the first batch.

    Raises:
        TypeError: The loss is pairwise and the loader yields groups, or the other way round.
        ValueError: A score of a list of pairs is not a number, or out of the loss's range.
    """
    for loader_type, samples, losses in (
        (PairsSimilarityDataLoader, "pairs", "contrastive, multiple-negatives-ranking"),
        (GroupSimilarityDataLoader, "groups", "triplet, arcface, online-contrastive"),
    ):
        if isinstance(loader, loader_type) and loss.sample_kind != samples:
            raise TypeError(
                f"{type(loss).__name__} does not fit {name}: it is a loss over {loss.sample_kind}, "
                f"but a {loader_type.__name__} yields {samples}. Choose a loss over {samples} "
                f"({losses}, ...), or samples of the other kind."
            )
    samples_given: Any = loader.dataset
    if isinstance(samples_given, (list, tuple)) and "collate_fn" not in loader.original_params:
        loader.check_samples(samples_given)
        if loss.sample_kind == "pairs":
            loss.check_scores(score_tensor([sample.score for sample in samples_given]))


def warn_of_hard_negatives(
    loss: SimilarityLoss, loader: SimilarityDataLoader[Any], batch_sampler: object
) -> None:
    """Warn if a loader separates hard negatives from their queries.

    Only the samples of a list are checked, for a loss with in-batch negatives.
    """
    samples: Any = loader.dataset
    if (
        batch_sampler is not None
        or "batch_sampler" in loader.original_params
        or "sampler" in loader.original_params
        or not isinstance(loss, MultipleNegativesRankingLoss)
        or not isinstance(samples, list)
        or "collate_fn" in loader.original_params
        or loader.batch_size is None
        or len(samples) <= loader.batch_size
    ):
        return
    negatives = sum(sample.score <= 0 for sample in samples)
    if negatives:
        rank_zero_warn(
            f"{negatives:,} of {len(samples):,} training pairs are hard negatives (score 0), most "
            "of which are in other batches than their query. Pass batch_sampler='no-duplicates', "
            "which keeps them together."
        )


def check_chunk(chunk: object) -> None:
    """Check the number of objects that gradient caching embeds at once.

    Raises:
        ValueError: It is not a positive integer.
    """
    if chunk is not None and (type(chunk) is not int or chunk < 1):
        raise ValueError(
            f"Expected grad_cache_chunk to be a positive number of objects or None, got {chunk!r}."
        )
