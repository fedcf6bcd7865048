"""Conformance checks for heads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor

from quaterion_core.heads import EncoderHead
from quaterion_core.model import SimilarityModel
from quaterion_core.testing.checks import CheckError, Checks, NotApplicableError
from quaterion_core.testing.comparing import (
    rebuilt,
    require_equal,
    require_finite,
    require_interface,
    require_same,
)
from quaterion_core.testing.devices import require_other_device
from quaterion_core.testing.folders import (
    IdentityEncoder,
    loaded,
    require_data_only,
    require_surplus_refused,
    saved,
)
from quaterion_core.testing.report import Report
from quaterion_core.testing.subject import Example, Subject, subject_of

_COUNT: Final = 6
_DROPOUT: Final = 0.5


class HeadSubject(Subject[EncoderHead]):
    """A head under test, with the metadata that it reads, if any."""

    def meta(self, count: int) -> list[Any] | None:
        """Metadata of ``count`` objects, repeating that of the example."""
        facts = self.example.meta
        return None if facts is None else [dict(facts[n % len(facts)]) for n in range(count)]

    def embed(self, head: EncoderHead, vectors: Tensor) -> Tensor:
        """Apply the head to embeddings, with metadata by position."""
        output: Tensor = head(vectors, self.meta(len(vectors)))
        return output


HEAD_CHECKS: Final = Checks[HeadSubject]("head")


def check_head(
    head: EncoderHead | Callable[[], EncoderHead],
    *,
    meta: Sequence[Mapping[str, Any]] | None = None,
    expected_failures: Mapping[str, str] | None = None,
) -> Report:
    """Check a head.

    Args:
        head: A head, which is not modified, or a function or class that builds one.
        meta: Metadata of raw objects, one dictionary per object, for a head that reads it.
        expected_failures: Reasons for checks that are expected to fail, keyed by their names.

    Returns:
        A report with one result per check in :data:`HEAD_CHECKS`.

    Raises:
        ValueError: If ``expected_failures`` names an unknown check.

    Example:
        >>> from quaterion_core.heads import GatedHead
        >>> check_head(GatedHead(8, dropout=0.1)).raise_for_failures()
    """
    subject = subject_of(head, EncoderHead, Example(meta=meta), HeadSubject)
    return HEAD_CHECKS.run(subject, subject.name, expected_failures)


def vectors_for(head: EncoderHead, count: int = _COUNT) -> Tensor:
    """Create reproducible random input for a head, shape (count, D_in)."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, head.input_embedding_size, generator=generator)


@HEAD_CHECKS.add
def construction(subject: HeadSubject) -> None:
    """The head cannot be built from the arguments given, or cannot be copied.

    Pass the arguments that its constructor requires besides `input_embedding_size`:
    `Example(arguments={...})` under the head's name in `examples`; or fix the constructor.
    """
    subject.built()


@HEAD_CHECKS.add
def interface(subject: HeadSubject) -> None:
    """The class is not derived from `EncoderHead`, or its sizes are not positive integers.

    Derive from `quaterion_core.heads.EncoderHead`, pass `input_embedding_size` to
    `super().__init__`, and return a positive `int` from `output_size`.
    """
    head = subject.fresh()
    require_interface(head, EncoderHead)
    for name in ("input_embedding_size", "output_size"):
        size = getattr(head, name)
        if type(size) is not int or size < 1:
            raise CheckError(f"{name}: expected a positive int, got {size!r}")


@HEAD_CHECKS.add
def output(subject: HeadSubject) -> None:
    """The output is not a finite floating-point tensor of shape `(N, output_size)`.

    Return one row per row of the input, and let `output_size` match the output of `transform`.
    """
    head = subject.fresh().eval()
    result = subject.embed(head, vectors_for(head))
    _require_rows(result, head, _COUNT)
    require_finite(result, "the output")


@HEAD_CHECKS.add
def batch_of_one(subject: HeadSubject) -> None:
    """A batch of one row does not give one row, in evaluation or in training mode.

    Keep the batch dimension: avoid `squeeze()` without `dim` and statistics over the batch.
    """
    head = subject.fresh()
    for mode in (False, True):
        result = subject.embed(head.train(mode), vectors_for(head)[:1])
        _require_rows(result, head, 1)
        require_finite(result, "the output for a batch of one")


@HEAD_CHECKS.add
def determinism(subject: HeadSubject) -> None:
    """In evaluation mode, the same input gives a different output the second time.

    Apply noise only if `self.training`, and do not change state in `transform`.
    """
    head = subject.fresh().eval()
    first = subject.embed(head, vectors_for(head))
    require_same(subject.embed(head, vectors_for(head)), first, "the output for the same input")


@HEAD_CHECKS.add
def order_invariance(subject: HeadSubject) -> None:
    """In evaluation mode, an output row depends on its position or on other rows.

    Normalize over features, not over the batch, and return rows in the order of the input.
    """
    head = subject.fresh().eval()
    vectors, meta = vectors_for(head), subject.meta(_COUNT)
    expected = head(vectors, meta)
    backwards = head(vectors.flip(0), None if meta is None else meta[::-1])
    require_same(backwards.flip(0), expected, "the output for rows in reverse order")
    alone = [
        head(vectors[row : row + 1], None if meta is None else meta[row : row + 1])
        for row in range(_COUNT)
    ]
    require_same(torch.cat(alone), expected, "the output for batches of one")


@HEAD_CHECKS.add
def dropout(subject: HeadSubject) -> None:
    """The argument `dropout` has no effect in training, or has one in evaluation.

    Pass `dropout` to `super().__init__`, and override `transform` rather than `forward`.
    """
    head = subject.fresh()
    config = head.get_config_dict()
    if "dropout" not in config:
        raise NotApplicableError("the configuration has no dropout")
    dropping = type(head).from_config({**config, "dropout": _DROPOUT})
    exact = type(head).from_config({**config, "dropout": 0.0})
    for one in (dropping, exact):
        one.load_state_dict(head.state_dict())
    vectors = vectors_for(head)
    require_same(
        subject.embed(dropping.eval(), vectors),
        subject.embed(exact.eval(), vectors),
        "the output in evaluation mode, with and without dropout",
    )
    dropping.train()
    if torch.equal(subject.embed(dropping, vectors), subject.embed(dropping, vectors)):
        raise CheckError(
            f"expected two passes in training mode to differ with dropout={_DROPOUT}, but they are "
            "equal"
        )


@HEAD_CHECKS.add
def gradients(subject: HeadSubject) -> None:
    """A parameter or the input gets no gradient, or a non-finite one.

    Keep the graph intact: avoid `detach()`, `no_grad()` and `.data`. Remove parameters that the
    output does not depend on, or freeze them with `requires_grad_(False)`.
    """
    head = subject.fresh().train()
    vectors = vectors_for(head).requires_grad_()
    result = subject.embed(head, vectors)
    torch.autograd.backward((result * torch.randn_like(result)).sum())
    trained = {name: p for name, p in head.named_parameters() if p.requires_grad}
    for name, leaf in {"the input": vectors, **trained}.items():
        if leaf.grad is None:
            raise CheckError(f"expected a gradient of {name}, got none")
        require_finite(leaf.grad, f"the gradient of {name}")
    if not vectors.grad.any():  # type: ignore[union-attr]  # not None here
        raise CheckError("expected a nonzero gradient of the input, got zero")


@HEAD_CHECKS.add
def config_round_trip(subject: HeadSubject) -> None:
    """Configuration and weights do not restore the head.

    Return every constructor argument from `get_config_dict()` as a JSON value, including those from
    `super().get_config_dict()`, and keep learned state in parameters or buffers.
    """
    head = subject.fresh()
    again = rebuilt(head)
    again.load_state_dict(head.state_dict())
    _require_same_head(subject, again, head)


@HEAD_CHECKS.add
def model_folder_round_trip(subject: HeadSubject) -> None:
    """The head of a model differs after saving and loading.

    Let `load` restore everything that `save` writes. State outside the configuration, parameters
    and buffers is lost unless both methods are overridden.
    """
    model = _model_of(subject.fresh())
    with saved(model) as folder:
        again = loaded(folder, model)
        _require_same_head(subject, again.head, model.head)


@HEAD_CHECKS.add
def saved_without_pickle(subject: HeadSubject) -> None:
    """A saved head contains pickles or code, which can run arbitrary code when loaded.

    Save weights with `quaterion_core.storage.save_weights` and everything else as JSON.
    """
    with saved(_model_of(subject.fresh())) as folder:
        require_data_only(folder)


@HEAD_CHECKS.add
def surplus_files(subject: HeadSubject) -> None:
    """Loading ignores a file that saving does not write, so that it could hide in a saved model.

    Name the files that `save` writes in `saved_files`, or call `folder.require` in `load_from`.
    """
    require_surplus_refused(subject.fresh())


@HEAD_CHECKS.add
def precision(subject: HeadSubject) -> None:
    """The output does not have the dtype of the input, or breaks in half precision.

    Create tensors with the `dtype` of the input. Convert with
    `quaterion_core.utils.precision.at_least_float32` before operations that overflow in half
    precision, and back to the `dtype` of the input afterwards.
    """
    head = subject.fresh().eval()
    expected = subject.embed(head, vectors_for(head))
    for dtype, tolerance in ((torch.float64, 1e-4), (torch.bfloat16, 0.1)):
        head.to(dtype)
        result = subject.embed(head, vectors_for(head).to(dtype))
        if result.dtype != dtype:
            raise CheckError(f"the output for {dtype}: expected {dtype}, got {result.dtype}")
        require_same(result, expected, f"the output for {dtype}", tolerance=tolerance)


@HEAD_CHECKS.add
def device(subject: HeadSubject) -> None:
    """The head mixes devices when moved to a GPU.

    Register tensors as parameters or buffers, and pass `device=` when creating tensors in
    `transform`.
    """
    head = subject.fresh().eval()
    with torch.no_grad():
        require_other_device(head, vectors_for(head), lambda vectors: subject.embed(head, vectors))


@HEAD_CHECKS.add
def degenerate(subject: HeadSubject) -> None:
    """Zero, equal or very long vectors give NaN in the output or the gradient.

    Bound divisors and arguments of square roots from below, as `torch.nn.functional.normalize`
    does.
    """
    head = subject.fresh().train()
    batches = {
        "zero vectors": torch.zeros_like(vectors_for(head)),
        "equal vectors": torch.ones_like(vectors_for(head)),
        "long vectors": vectors_for(head) * 1e4,
    }
    for name, batch in batches.items():
        vectors = batch.requires_grad_()
        result = subject.embed(head, vectors)
        require_finite(result, f"the output for {name}")
        torch.autograd.backward(result.sum())
        for leaf in (vectors, *head.parameters()):
            if leaf.grad is not None:
                require_finite(leaf.grad, f"a gradient for {name}")


def _model_of(head: EncoderHead) -> SimilarityModel:
    return SimilarityModel(IdentityEncoder(head.input_embedding_size), head)


def _require_rows(result: Tensor, head: EncoderHead, count: int) -> None:
    if result.shape != (count, head.output_size) or not result.is_floating_point():
        raise CheckError(
            f"expected a floating-point tensor of shape ({count}, {head.output_size}), got "
            f"{result.dtype} of shape {tuple(result.shape)}"
        )


def _require_same_head(subject: HeadSubject, again: EncoderHead, head: EncoderHead) -> None:
    for attribute in ("input_embedding_size", "output_size"):
        require_equal(getattr(again, attribute), getattr(head, attribute), attribute)
    vectors = vectors_for(head)
    for mode, name in ((False, "evaluation"), (True, "training")):
        outputs = []
        for one in (again, head):
            torch.manual_seed(0)  # for dropout
            outputs.append(subject.embed(one.train(mode), vectors))
        found, expected = outputs
        require_same(found, expected, f"the output in {name} mode")
