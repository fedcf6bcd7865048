"""Conformance checks for losses."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, Final, get_args

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from quaterion_core.loss import GroupLoss, PairwiseLoss, SimilarityLoss
from quaterion_core.loss.similarity_loss import SampleKind
from quaterion_core.testing.checks import CheckError, Checks
from quaterion_core.testing.comparing import rebuilt, require_finite, require_same
from quaterion_core.testing.devices import require_other_device
from quaterion_core.testing.loss_batches import (
    Batch,
    concatenated,
    degenerate_batches,
    training_batch,
    vectors,
)
from quaterion_core.testing.processes import process_pair, require_importable
from quaterion_core.testing.report import Report
from quaterion_core.testing.subject import Example, Subject, subject_of
from quaterion_core.testing.two_processes import (
    gradients_and_buffers,
    step,
    step_in_process,
)

_SIZE: Final = 8
_CHUNK: Final = 5
_LARGE_COUNT: Final = 128


class LossSubject(Subject[SimilarityLoss]):
    """A loss under test, with batches for it."""

    @property
    def is_group(self) -> bool:
        """Whether the loss takes groups rather than pairs."""
        return self.fresh().sample_kind == "groups"

    @property
    def size(self) -> int:
        """Embedding size: the ``embedding_size`` of the loss, if it has one."""
        return int(getattr(self.fresh(), "embedding_size", _SIZE))

    def batch(self, count: int = 12, seed: int = 1) -> Batch:
        """Create a batch with positives and negatives."""
        return self.complete(training_batch(self.is_group, self.size, count, seed))

    def complete(self, batch: Batch) -> Batch:
        """Add the per-object targets of the example."""
        return batch.with_object_targets(self.example.object_targets)


LOSS_CHECKS: Final = Checks[LossSubject]("loss")


def check_loss(
    loss: SimilarityLoss | Callable[[], SimilarityLoss],
    *,
    object_targets: Mapping[str, int] | None = None,
    expected_failures: Mapping[str, str] | None = None,
) -> Report:
    """Check a loss.

    Args:
        loss: A loss, which is not modified, or a function or class that builds one. If its
            parameters depend on the embedding size, its attribute ``embedding_size`` must state it;
            if they depend on the number of groups, it must allow at least four.
        object_targets: Additional per-object targets that a pairwise loss takes, as
            ``{name: number of columns}``.
        expected_failures: Reasons for checks that are expected to fail, keyed by their names.

    Returns:
        A report with one result per check in :data:`LOSS_CHECKS`.

    Raises:
        ValueError: If ``expected_failures`` names an unknown check.

    Example:
        >>> from quaterion_core.loss import TripletLoss
        >>> report = check_loss(TripletLoss(margin=0.3))  # doctest: +SKIP
        >>> report.raise_for_failures()  # doctest: +SKIP
    """
    subject = subject_of(
        loss, SimilarityLoss, Example(object_targets=object_targets or {}), LossSubject
    )
    return LOSS_CHECKS.run(subject, subject.name, expected_failures)


def backward(loss: SimilarityLoss, batch: Batch) -> tuple[Tensor, dict[str, Tensor | None]]:
    """Return the loss and the gradients of embeddings and parameters, by name."""
    embeddings = batch.embeddings.clone().requires_grad_()
    value: Tensor = loss(embeddings=embeddings, **batch.targets)
    torch.autograd.backward(value)
    leaves: dict[str, Tensor] = {"the embeddings": embeddings, **dict(loss.named_parameters())}
    return value.detach(), {name: leaf.grad for name, leaf in leaves.items()}


@LOSS_CHECKS.add
def construction(subject: LossSubject) -> None:
    """The loss cannot be built from the arguments given, or cannot be copied.

    Pass the arguments that its constructor requires besides `embedding_size` and `num_groups`:
    `Example(arguments={...})` under the loss's name in `examples`; or fix the constructor.
    """
    subject.built()


@LOSS_CHECKS.add
def interface(subject: LossSubject) -> None:
    """The class is derived from both of `GroupLoss` and `PairwiseLoss`, or has no `sample_kind`.

    Derive from the one whose targets `forward` takes. A loss that takes either, such as one around
    another loss, derives from `SimilarityLoss` and returns "groups" or "pairs" as `sample_kind`.
    """
    loss = subject.fresh()
    name = type(loss).__name__
    if isinstance(loss, GroupLoss) and isinstance(loss, PairwiseLoss):
        raise CheckError(f"expected {name} to derive from GroupLoss or PairwiseLoss, got both")
    try:
        kind = loss.sample_kind
    except TypeError as error:
        raise CheckError(
            f"expected {name} to derive from GroupLoss or PairwiseLoss, got neither"
        ) from error
    if kind not in get_args(SampleKind):
        raise CheckError(f"expected sample_kind of {name} to be 'groups' or 'pairs', got {kind!r}")


@LOSS_CHECKS.add
def scalar(subject: LossSubject) -> None:
    """The loss is not a finite floating-point scalar with a graph.

    Reduce with `mean()` or `sum()`; for a batch without pairs to learn from, return
    `self.nothing_to_learn(embeddings)`.
    """
    batch = subject.batch()
    value = subject.fresh()(embeddings=batch.embeddings.clone().requires_grad_(), **batch.targets)
    if not isinstance(value, Tensor) or value.shape != () or not value.is_floating_point():
        shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise CheckError(f"the loss: expected a floating-point scalar, got {shape}")
    if not value.requires_grad:
        raise CheckError("expected a loss that requires grad, got one without a graph")
    require_finite(value, "the loss")


@LOSS_CHECKS.add
def determinism(subject: LossSubject) -> None:
    """Loss or gradient of a batch depend on the random state.

    Select by a deterministic rule, or by random numbers derived from the batch: resumed, repeated
    and distributed training runs rely on it.
    """
    first = backward(subject.fresh(), subject.batch())
    torch.manual_seed(1)
    _require_same_step(backward(subject.fresh(), subject.batch()), first, "a second time")


@LOSS_CHECKS.add
def config_round_trip(subject: LossSubject) -> None:
    """Configuration and state do not restore the loss.

    Return every constructor argument from `get_config_dict()` as a JSON value, including those from
    `super().get_config_dict()`.
    """
    loss = subject.fresh()
    again = rebuilt(loss)
    again.load_state_dict(loss.state_dict())
    _require_same_step(
        backward(again, subject.batch()), backward(loss, subject.batch()), "after a round trip"
    )


@LOSS_CHECKS.add
def state_round_trip(subject: LossSubject) -> None:
    """After a training step, the state in a checkpoint does not restore the loss.

    Keep everything that the loss learns or remembers in parameters or buffers.
    """
    loss = subject.fresh().train()
    backward(loss, subject.batch())
    with torch.no_grad():
        for parameter in loss.parameters():
            parameter.sub_(0.1 * parameter.grad if parameter.grad is not None else 0.0)
    loss.zero_grad()
    again = subject.fresh().train()
    again.load_state_dict(loss.state_dict())
    batch = subject.batch(seed=3)
    _require_same_step(backward(again, batch), backward(loss, batch), "after restoring its state")


@LOSS_CHECKS.add
def ids(subject: LossSubject) -> None:
    """The loss depends on more than the equality of ids, or confuses large ids.

    Compare groups and subgroups only with `==`, as int64: float32 and float64 round large ids.
    """
    expected = backward(subject.fresh(), subject.batch())
    renamed = backward(subject.fresh(), subject.batch().renamed())
    _require_same_step(renamed, expected, "with different ids")


@LOSS_CHECKS.add
def order_invariance(subject: LossSubject) -> None:
    """The loss depends on the order of the objects or of the pairs.

    Index the objects of a pair with `pairs`, not by position, and break ties without changing the
    loss.
    """
    expected, _ = backward(subject.fresh(), subject.batch())
    value, _ = backward(subject.fresh(), subject.batch().reordered())
    require_same(value, expected, "the loss in a different order")


@LOSS_CHECKS.add
def batch_of_one(subject: LossSubject) -> None:
    """A batch of one object or one pair raises an error or gives a non-finite loss.

    Return `self.nothing_to_learn(embeddings)` if there is nothing to compare with. The last batch
    of an epoch is often this small.
    """
    if subject.is_group:
        batch = Batch.of_groups(vectors(1, subject.size), [0])
    else:
        batch = Batch.of_pairs(vectors(2, subject.size), [1.0], [0])
    _require_finite_step(subject.fresh(), subject.complete(batch), "one object or pair")


@LOSS_CHECKS.add
def degenerate(subject: LossSubject) -> None:
    """Zero vectors, equal vectors or batches without positives or negatives give NaN.

    Bound divisors and arguments of square roots from below, before the operation rather than
    after it, and avoid the mean of an empty tensor.
    """
    for name, batch in degenerate_batches(subject.is_group, subject.size):
        _require_finite_step(subject.fresh(), subject.complete(batch), name)


@LOSS_CHECKS.add
def precision(subject: LossSubject) -> None:
    """Embeddings in half or double precision raise an error or lose precision.

    Begin with `embeddings = at_least_float32(embeddings)` from
    `quaterion_core.utils.precision`, and create tensors with its `dtype`.
    """
    for dtype in (torch.float16, torch.bfloat16):
        batch = subject.batch().to(dtype)
        value, gradients = backward(subject.fresh(), batch)
        expected, _ = backward(subject.fresh(), batch.to(torch.float32))
        if value.dtype != torch.float32:
            raise CheckError(f"the loss for {dtype}: expected torch.float32, got {value.dtype}")
        require_same(value, expected, f"the loss for {dtype}")
        _require_finite_gradients(gradients, str(dtype))
    expected, _ = backward(subject.fresh(), subject.batch())
    value, gradients = backward(subject.fresh().double(), subject.batch().to(torch.float64))
    require_same(value, expected, "the loss for torch.float64")
    _require_finite_gradients(gradients, "torch.float64")


@LOSS_CHECKS.add
def gradients(subject: LossSubject) -> None:
    """The embeddings or a parameter of the loss get no gradient.

    Keep the graph intact: avoid `detach()`, `no_grad()` and `.data`; register tensors that are not
    trained as buffers.
    """
    loss = subject.fresh().train()
    _, found = backward(loss, subject.batch())
    frozen = {name for name, p in loss.named_parameters() if not p.requires_grad}
    for name, gradient in found.items():
        if name in frozen:
            continue
        if gradient is None:
            raise CheckError(f"expected a gradient of {name}, got none")
        require_finite(gradient, f"the gradient of {name}")
    reached = found["the embeddings"]
    if reached is None or not reached.any():
        raise CheckError("expected a nonzero gradient of the embeddings, got zero")


@LOSS_CHECKS.add
def memory(subject: LossSubject) -> None:
    """Memory grows faster than the number of pairs in a batch, as with all triplets at once.

    Reduce before adding a dimension, loop over the anchors, or select the hardest first.
    """
    loss = subject.fresh().train()
    batch = subject.batch(_LARGE_COUNT)
    rows = max((len(p) for p in loss.parameters() if p.ndim), default=0)
    allowed = _LARGE_COUNT * max(_LARGE_COUNT, subject.size, rows)
    with _LargestTensor() as largest:  # type: ignore[no-untyped-call]
        backward(loss, batch)
    if largest.values > allowed:
        raise CheckError(
            f"expected tensors of at most {allowed:,} elements for {_LARGE_COUNT} objects, got one "
            "of "
            f"{largest.values:,}"
        )


@LOSS_CHECKS.add
def device(subject: LossSubject) -> None:
    """The loss mixes devices when the embeddings are on a GPU.

    Register tensors as parameters or buffers, and pass `device=embeddings.device` when creating
    tensors in `forward`.
    """
    loss = subject.fresh().train()
    batch = subject.batch()

    def value(inputs: Any) -> Tensor:
        result: Tensor = loss(embeddings=inputs[0], **inputs[1])
        return result

    require_other_device(loss, (batch.embeddings, batch.targets), value)


@LOSS_CHECKS.add
def cross_batch_memory(subject: LossSubject) -> None:
    """Embeddings from a cross-batch memory get a gradient, or those of the batch get none.

    Call `memory_embeddings.detach()` in `xbm_loss`, or do not override it.
    """
    loss = subject.fresh().train()
    batch, remembered = subject.batch(), subject.batch(seed=3)
    embeddings = batch.embeddings.requires_grad_()
    memory_embeddings = remembered.embeddings.requires_grad_()
    compute: Any = loss.xbm_loss  # which both kinds of losses have
    value = compute(
        embeddings,
        **batch.targets,
        memory_embeddings=memory_embeddings,
        **{f"memory_{name}": values for name, values in remembered.targets.items()},
    )
    require_finite(value, "the loss")
    torch.autograd.backward(value)
    if memory_embeddings.grad is not None and memory_embeddings.grad.any():
        raise CheckError("expected no gradient of the memory, got one")
    if embeddings.grad is None or not embeddings.grad.any():
        raise CheckError("expected a gradient of the batch, got none or zero")
    require_finite(embeddings.grad, "the gradient of the batch")


@LOSS_CHECKS.add
def gradient_caching(subject: LossSubject) -> None:
    """The gradient changes when the batch is embedded in chunks.

    Do not modify the embeddings in place, and let the loss depend only on embeddings, targets and
    state.
    """
    loss, batch = subject.fresh().train(), subject.batch()
    model = _model(subject.size)
    expected = step(model, loss, batch)
    found = _step_in_chunks(model, loss, batch)
    for name, value in expected.items():
        require_same(found[name], value, name)


@LOSS_CHECKS.add
def two_processes(subject: LossSubject) -> None:
    """The gradient in two processes differs from that of the whole batch in one.

    Do not gather in the loss, which already gets the whole batch, and let it depend only on
    embeddings, targets and state.
    """
    loss = subject.fresh().train()
    require_importable(loss)
    model = _model(subject.size)
    parts = [subject.batch(8), subject.batch(4, seed=3)]
    expected = step(model, loss, concatenated(parts))
    results = process_pair().call(step_in_process, [(model, loss, part) for part in parts])
    for rank, found in enumerate(results):
        for name, value in expected.items():
            require_same(found[name], value, f"{name} in process {rank}")


def _model(size: int) -> nn.Module:
    """Create a small model from vectors to embeddings of the same size."""
    return nn.Linear(size, size)


def _step_in_chunks(model: nn.Module, loss: SimilarityLoss, batch: Batch) -> dict[str, Tensor]:
    """Run a step in which no graph spans model and loss.

    Source: Gao et al., Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup,
    RepL4NLP 2021, section 3.2.
    """
    model, loss = copy.deepcopy(model), copy.deepcopy(loss)
    chunks = torch.split(batch.embeddings, _CHUNK)
    with torch.no_grad():
        embeddings = torch.cat([model(chunk) for chunk in chunks])
    embeddings.requires_grad_()
    loss(embeddings=embeddings, **batch.targets).backward()
    if embeddings.grad is not None:
        for chunk, gradient in zip(chunks, torch.split(embeddings.grad, _CHUNK), strict=True):
            model(chunk).backward(gradient)
    return gradients_and_buffers(model, loss)


class _LargestTensor(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Dispatch mode that records the size of the largest tensor returned by an operation."""

    values = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        sizes = [leaf.numel() for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        self.values = max(self.values, *sizes, 0)
        return result


def _require_finite_step(loss: SimilarityLoss, batch: Batch, name: str) -> None:
    value, gradients = backward(loss.train(), batch)
    require_finite(value, f"{name}: the loss")
    _require_finite_gradients(gradients, name)


def _require_finite_gradients(gradients: Mapping[str, Tensor | None], name: str) -> None:
    for of, gradient in gradients.items():
        if gradient is not None:
            require_finite(gradient, f"{name}: the gradient of {of}")


def _require_same_step(
    found: tuple[Tensor, Mapping[str, Tensor | None]],
    expected: tuple[Tensor, Mapping[str, Tensor | None]],
    when: str,
) -> None:
    require_same(found[0], expected[0], f"the loss {when}")
    for name, gradient in expected[1].items():
        again = found[1][name]
        if (gradient is None) != (again is None):
            raise CheckError(
                f"the gradient of {name} {when}: expected a gradient in both cases or in neither"
            )
        if gradient is not None and again is not None:
            require_same(again, gradient, f"the gradient of {name} {when}")
