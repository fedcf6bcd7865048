"""What is checked of a loss."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from quaterion_core.loss import GroupLoss, PairwiseLoss, SimilarityLoss
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
    """A loss, and the batches that suit it."""

    @property
    def is_group(self) -> bool:
        """Whether it takes groups, and not pairs."""
        return isinstance(self.fresh(), GroupLoss)

    @property
    def size(self) -> int:
        """Size of the embeddings: that of the loss's ``embedding_size``, if it has one."""
        return int(getattr(self.fresh(), "embedding_size", _SIZE))

    def batch(self, count: int = 12, seed: int = 1) -> Batch:
        """Make a batch from which there is something to learn."""
        return self.complete(training_batch(self.is_group, self.size, count, seed))

    def complete(self, batch: Batch) -> Batch:
        """Add the targets of objects that the example names."""
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
        loss: A loss, which is left as it is, or a function or class that builds one. Where it has
            parameters for an embedding size or for each group, its attribute ``embedding_size``
            says the former, and it has to have room for at least four groups.
        object_targets: Targets that a loss over pairs takes beside the usual ones, with the number
            of columns that each has for every object.
        expected_failures: Why a check fails that cannot be passed, by the name of the check.

    Returns:
        One result for each check of :data:`LOSS_CHECKS`.

    Raises:
        ValueError: There is no check of a name.

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
    """Return the value, and the gradients of embeddings and parameters, each by name."""
    embeddings = batch.embeddings.clone().requires_grad_()
    value: Tensor = loss(embeddings=embeddings, **batch.targets)
    torch.autograd.backward(value)
    leaves: dict[str, Tensor] = {"the embeddings": embeddings, **dict(loss.named_parameters())}
    return value.detach(), {name: leaf.grad for name, leaf in leaves.items()}


@LOSS_CHECKS.add
def construction(subject: LossSubject) -> None:
    """The loss cannot be built from the arguments given, or not be copied.

    Give what its constructor needs beside `embedding_size` and `num_groups`:
    `Example(arguments={...})` under the loss's name in `examples`; or mend the constructor.
    """
    subject.built()


@LOSS_CHECKS.add
def interface(subject: LossSubject) -> None:
    """The class is derived neither from `GroupLoss` nor from `PairwiseLoss`, or from both.

    Derive from the one whose targets `forward` takes; `SimilarityLoss` alone is not enough.
    """
    loss = subject.fresh()
    kinds = [cls for cls in (GroupLoss, PairwiseLoss) if isinstance(loss, cls)]
    if len(kinds) != 1:
        names = " and ".join(cls.__name__ for cls in kinds) or "neither"
        raise CheckError(
            f"of GroupLoss and PairwiseLoss a {type(loss).__name__} is {names}, expected was one"
        )


@LOSS_CHECKS.add
def scalar(subject: LossSubject) -> None:
    """The value is no finite floating-point scalar with a graph.

    End with `mean()` or `sum()`; for a batch without anything to learn return
    `self.nothing_to_learn(embeddings)`.
    """
    batch = subject.batch()
    value = subject.fresh()(embeddings=batch.embeddings.clone().requires_grad_(), **batch.targets)
    if not isinstance(value, Tensor) or value.shape != () or not value.is_floating_point():
        shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise CheckError(f"the value is {shape}, expected was a floating-point scalar")
    if not value.requires_grad:
        raise CheckError("the value has no graph, expected was one that leads to the embeddings")
    require_finite(value, "the value")


@LOSS_CHECKS.add
def determinism(subject: LossSubject) -> None:
    """The same batch has another value or gradient with other random numbers.

    Choose by a rule, or by random numbers that derive from the batch: resumed, repeated and
    distributed trainings rely on it.
    """
    first = backward(subject.fresh(), subject.batch())
    torch.manual_seed(1)
    _require_same_step(backward(subject.fresh(), subject.batch()), first, "a second time")


@LOSS_CHECKS.add
def config_round_trip(subject: LossSubject) -> None:
    """Configuration and state do not build the same loss again.

    Return every argument of the constructor from `get_config_dict()`, as JSON values, those of
    `super().get_config_dict()` included.
    """
    loss = subject.fresh()
    again = rebuilt(loss)
    again.load_state_dict(loss.state_dict())
    _require_same_step(
        backward(again, subject.batch()), backward(loss, subject.batch()), "built again"
    )


@LOSS_CHECKS.add
def state_round_trip(subject: LossSubject) -> None:
    """After a step of training, the state that a checkpoint holds does not restore the loss.

    Keep what the loss learns or remembers in parameters or buffers.
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
    _require_same_step(backward(again, batch), backward(loss, batch), "restored")


@LOSS_CHECKS.add
def ids(subject: LossSubject) -> None:
    """More than the equality of groups or subgroups counts, or large ids are mixed up.

    Compare ids with `==` only, as int64: float32 and float64 hold several of them equal.
    """
    expected = backward(subject.fresh(), subject.batch())
    renamed = backward(subject.fresh(), subject.batch().renamed())
    _require_same_step(renamed, expected, "with other ids")


@LOSS_CHECKS.add
def order_invariance(subject: LossSubject) -> None:
    """The value depends on the order of the objects or of the pairs.

    Find the objects of a pair by `pairs`, not by their places; break ties so that the value is
    the same.
    """
    expected, _ = backward(subject.fresh(), subject.batch())
    value, _ = backward(subject.fresh(), subject.batch().reordered())
    require_same(value, expected, "the value in another order")


@LOSS_CHECKS.add
def batch_of_one(subject: LossSubject) -> None:
    """A batch of one object, or of one pair, is refused or has a broken value.

    Return `self.nothing_to_learn(embeddings)` where there is nothing to compare with. The last
    batch of an epoch is often that small.
    """
    if subject.is_group:
        batch = Batch.of_groups(vectors(1, subject.size), [0])
    else:
        batch = Batch.of_pairs(vectors(2, subject.size), [1.0], [0])
    _require_finite_step(subject.fresh(), subject.complete(batch), "one object or pair")


@LOSS_CHECKS.add
def degenerate(subject: LossSubject) -> None:
    """Zero vectors, equal vectors or batches without positives or negatives give NaN.

    Bound divisors and what is under a root from below, before and not after it; take no mean of
    nothing.
    """
    for name, batch in degenerate_batches(subject.is_group, subject.size):
        _require_finite_step(subject.fresh(), subject.complete(batch), name)


@LOSS_CHECKS.add
def precision(subject: LossSubject) -> None:
    """Embeddings in half or double precision are refused, or lose precision in the loss.

    Begin with `embeddings = at_least_float32(embeddings)` from
    `quaterion_core.utils.precision`, and make tensors with its `dtype`.
    """
    for dtype in (torch.float16, torch.bfloat16):
        batch = subject.batch().to(dtype)
        value, gradients = backward(subject.fresh(), batch)
        expected, _ = backward(subject.fresh(), batch.to(torch.float32))
        if value.dtype != torch.float32:
            raise CheckError(f"the value for {dtype} is {value.dtype}, expected was torch.float32")
        require_same(value, expected, f"the value for {dtype}")
        _require_finite_gradients(gradients, str(dtype))
    expected, _ = backward(subject.fresh(), subject.batch())
    value, gradients = backward(subject.fresh().double(), subject.batch().to(torch.float64))
    require_same(value, expected, "the value for torch.float64")
    _require_finite_gradients(gradients, "torch.float64")


@LOSS_CHECKS.add
def gradients(subject: LossSubject) -> None:
    """The embeddings or a parameter of the loss get no gradient.

    Keep the graph: no `detach()`, `no_grad()` or `.data` on the way; register as a buffer what is
    not trained.
    """
    loss = subject.fresh().train()
    _, found = backward(loss, subject.batch())
    frozen = {name for name, p in loss.named_parameters() if not p.requires_grad}
    for name, gradient in found.items():
        if name in frozen:
            continue
        if gradient is None:
            raise CheckError(f"{name}: no gradient, expected was one")
        require_finite(gradient, f"the gradient of {name}")
    reached = found["the embeddings"]
    if reached is None or not reached.any():
        raise CheckError("the gradient of the embeddings is zero, expected was one that is not")


@LOSS_CHECKS.add
def memory(subject: LossSubject) -> None:
    """A tensor is larger than all pairs of a batch, as one over all triplets is.

    Reduce before the next dimension is added; loop over the anchors; or find the hardest first.
    """
    loss = subject.fresh().train()
    batch = subject.batch(_LARGE_COUNT)
    rows = max((len(p) for p in loss.parameters() if p.ndim), default=0)
    allowed = _LARGE_COUNT * max(_LARGE_COUNT, subject.size, rows)
    with _LargestTensor() as largest:  # type: ignore[no-untyped-call]
        backward(loss, batch)
    if largest.values > allowed:
        raise CheckError(
            f"for {_LARGE_COUNT} objects a tensor of {largest.values:,} numbers is made, expected "
            f"were at most {allowed:,}"
        )


@LOSS_CHECKS.add
def device(subject: LossSubject) -> None:
    """The loss mixes devices once the embeddings are on a GPU.

    Register tensors as parameters or buffers; give `device=embeddings.device` to each tensor made
    in `forward`.
    """
    loss = subject.fresh().train()
    batch = subject.batch()

    def value(inputs: Any) -> Tensor:
        result: Tensor = loss(embeddings=inputs[0], **inputs[1])
        return result

    require_other_device(loss, (batch.embeddings, batch.targets), value)


@LOSS_CHECKS.add
def cross_batch_memory(subject: LossSubject) -> None:
    """The embeddings of a cross-batch memory get a gradient, or those of the batch get none.

    Call `memory_embeddings.detach()` in `xbm_loss`, or do not override it.
    """
    loss = subject.fresh().train()
    batch, remembered = subject.batch(), subject.batch(seed=3)
    embeddings = batch.embeddings.requires_grad_()
    memory_embeddings = remembered.embeddings.requires_grad_()
    assert isinstance(loss, (GroupLoss, PairwiseLoss))
    value = loss.xbm_loss(
        embeddings,
        **batch.targets,
        memory_embeddings=memory_embeddings,
        **{f"memory_{name}": values for name, values in remembered.targets.items()},
    )
    require_finite(value, "the value")
    torch.autograd.backward(value)
    if memory_embeddings.grad is not None and memory_embeddings.grad.any():
        raise CheckError("the memory gets a gradient, expected was none")
    if embeddings.grad is None or not embeddings.grad.any():
        raise CheckError("the batch gets no gradient, expected was one")
    require_finite(embeddings.grad, "the gradient of the batch")


@LOSS_CHECKS.add
def gradient_caching(subject: LossSubject) -> None:
    """The gradient is another one where the batch is embedded in chunks.

    Leave the embeddings as they are given, no methods in place; let the value depend on nothing
    but embeddings, targets and state.
    """
    loss, batch = subject.fresh().train(), subject.batch()
    model = _model(subject.size)
    expected = step(model, loss, batch)
    found = _step_in_chunks(model, loss, batch)
    for name, value in expected.items():
        require_same(found[name], value, name)


@LOSS_CHECKS.add
def two_processes(subject: LossSubject) -> None:
    """The gradient of two processes is not that of one with the whole batch.

    Gather nothing in the loss: it gets the whole batch already. Let the value depend on nothing
    but embeddings, targets and state.
    """
    loss = subject.fresh().train()
    require_importable(loss)
    model = _model(subject.size)
    parts = [subject.batch(8), subject.batch(4, seed=3)]
    expected = step(model, loss, concatenated(parts))
    results = process_pair().call(step_in_process, [(model, loss, part) for part in parts])
    for rank, found in enumerate(results):
        for name, value in expected.items():
            require_same(found[name], value, f"in process {rank}, {name}")


def _model(size: int) -> nn.Module:
    """Make a small model from vectors to embeddings of the same size."""
    return nn.Linear(size, size)


def _step_in_chunks(model: nn.Module, loss: SimilarityLoss, batch: Batch) -> dict[str, Tensor]:
    """Take a step in which no graph spans model and loss.

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
    """Remembers the size of the largest tensor that an operation returned."""

    values = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        sizes = [leaf.numel() for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        self.values = max(self.values, *sizes, 0)
        return result


def _require_finite_step(loss: SimilarityLoss, batch: Batch, name: str) -> None:
    value, gradients = backward(loss.train(), batch)
    require_finite(value, f"{name}: the value")
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
    require_same(found[0], expected[0], f"the value {when}")
    for name, gradient in expected[1].items():
        again = found[1][name]
        if (gradient is None) != (again is None):
            raise CheckError(f"the gradient of {name} {when}: it is there only once")
        if gradient is not None and again is not None:
            require_same(again, gradient, f"the gradient of {name} {when}")
