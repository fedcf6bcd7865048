"""Conformance checks for encoders."""

from __future__ import annotations

import contextlib
import copy
import inspect
import io
import pickle
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from quaterion_core.dataset import GroupSimilarityDataLoader, SimilarityGroupSample
from quaterion_core.encoders import Encoder
from quaterion_core.heads import EmptyHead, GatedHead
from quaterion_core.model import SimilarityModel
from quaterion_core.plugins.loading import describe
from quaterion_core.testing.checks import CheckError, Checks, NotApplicableError
from quaterion_core.testing.comparing import (
    rebuilt,
    require_equal,
    require_finite,
    require_interface,
    require_same,
)
from quaterion_core.testing.devices import require_other_device
from quaterion_core.testing.folders import loaded, require_data_only, require_surplus_refused, saved
from quaterion_core.testing.report import Report
from quaterion_core.testing.subject import Example, Subject, subject_of


class EncoderSubject(Subject[Encoder]):
    """An encoder under test, with raw objects."""

    @property
    def objects(self) -> list[Any]:
        """Copies of the raw objects, which a check may modify."""
        return copy.deepcopy(list(self.example.objects))

    @property
    def odd_objects(self) -> list[Any]:
        """Copies of the odd objects, which a check may modify."""
        return copy.deepcopy(list(self.example.odd_objects))


ENCODER_CHECKS: Final = Checks[EncoderSubject]("encoder")


def check_encoder(
    encoder: Encoder | Callable[[], Encoder],
    objects: Sequence[Any],
    *,
    odd_objects: Sequence[Any] = (),
    expected_failures: Mapping[str, str] | None = None,
) -> Report:
    """Check an encoder.

    Args:
        encoder: An encoder, which is not modified, or a function or class that builds one.
        objects: Two or more distinct raw objects.
        odd_objects: Raw objects that the encoder should handle, such as an empty text.
        expected_failures: Reasons for checks that are expected to fail, keyed by their names.

    Returns:
        A report with one result per check in :data:`ENCODER_CHECKS`.

    Raises:
        ValueError: If there are fewer than two objects, or ``expected_failures`` names an unknown
            check.

    Example:
        >>> import torch
        >>> class Lengths(Encoder):
        ...     trainable, embedding_size = False, 1
        ...     def get_collate_fn(self): return lengths
        ...     def forward(self, batch): return batch
        ...     def get_config_dict(self): return {}
        >>> def lengths(texts): return torch.tensor([[float(len(text))] for text in texts])
        >>> print(check_encoder(Lengths, ["one", "three"])["batch_of_one"])
        batch_of_one: passed
    """
    if len(objects) < 2:
        raise ValueError(
            f"Expected two or more distinct raw objects, got {len(objects)}. A single object "
            "cannot "
            "show whether an embedding depends on the rest of the batch."
        )
    example = Example(objects=objects, odd_objects=odd_objects)
    subject = subject_of(encoder, Encoder, example, EncoderSubject)
    return ENCODER_CHECKS.run(subject, subject.name, expected_failures)


def embed(encoder: Encoder, objects: list[Any]) -> Tensor:
    """Embed raw objects in evaluation mode."""
    encoder.eval()
    with torch.no_grad():
        return encoder(encoder.get_collate_fn()(objects))  # type: ignore[no-any-return]


def model_of(encoder: Encoder) -> SimilarityModel:
    """Create a model whose embeddings are those of the encoder."""
    return SimilarityModel(encoder, EmptyHead(encoder.embedding_size))


@ENCODER_CHECKS.add
def construction(subject: EncoderSubject) -> None:
    """The encoder cannot be built from the arguments given, or cannot be copied.

    Pass the arguments that its constructor requires: `Example(arguments={...}, objects=[...])`
    under the encoder's name in `examples`; or fix the constructor.
    """
    subject.built()
    if len(subject.objects) < 2:
        raise CheckError(f"expected two or more distinct raw objects, got {len(subject.objects)}")


@ENCODER_CHECKS.add
def interface(subject: EncoderSubject) -> None:
    """The class is not derived from `Encoder`, or its properties have the wrong types.

    Derive from `quaterion_core.encoders.Encoder`; `trainable` is a `bool`, `embedding_size` a
    positive `int`, and the collate function is callable.
    """
    encoder = subject.fresh()
    require_interface(encoder, Encoder)
    if type(encoder.trainable) is not bool:
        raise CheckError(f"trainable: expected a bool, got {encoder.trainable!r}")
    if type(encoder.embedding_size) is not int or encoder.embedding_size < 1:
        raise CheckError(f"embedding_size: expected a positive int, got {encoder.embedding_size!r}")
    if not callable(encoder.get_collate_fn()):
        raise CheckError(
            f"get_collate_fn(): expected a callable, got {encoder.get_collate_fn()!r:.80}"
        )


@ENCODER_CHECKS.add
def output(subject: EncoderSubject) -> None:
    """The embeddings are not a finite floating-point tensor of shape `(N, embedding_size)`.

    Return one row per object, and let `embedding_size` match the output of `forward`.
    """
    encoder = subject.fresh()
    embeddings = embed(encoder, subject.objects)
    _require_rows(embeddings, encoder, len(subject.objects))
    require_finite(embeddings, "embeddings")


@ENCODER_CHECKS.add
def batch_of_one(subject: EncoderSubject) -> None:
    """A batch of one object does not give one row.

    Keep the batch dimension: avoid `squeeze()` without `dim` and statistics over the batch.
    """
    encoder = subject.fresh()
    for position, obj in enumerate(subject.objects):
        embeddings = embed(encoder, [obj])
        _require_rows(embeddings, encoder, 1)
        require_finite(embeddings, f"the embedding of object {position} alone")


@ENCODER_CHECKS.add
def determinism(subject: EncoderSubject) -> None:
    """In evaluation mode, the same objects get different embeddings the second time.

    Apply dropout and other noise only if `self.training`, and do not change state in `forward`.
    """
    encoder = subject.fresh()
    first = embed(encoder, subject.objects)
    require_same(embed(encoder, subject.objects), first, "embeddings of the same objects")


@ENCODER_CHECKS.add
def order_invariance(subject: EncoderSubject) -> None:
    """An embedding depends on the position of the object or on the rest of the batch.

    Mask padding, return rows in the order of the objects, and normalize over features, not over the
    batch.
    """
    encoder, objects = subject.fresh(), subject.objects
    expected = embed(encoder, objects)
    require_same(embed(encoder, objects[::-1]).flip(0), expected, "embeddings in reverse order")
    require_same(
        embed(encoder, objects * 3)[: len(objects)], expected, "embeddings in a larger batch"
    )
    alone = torch.cat([embed(encoder, [obj]) for obj in objects])
    require_same(alone, expected, "embeddings in batches of one")


@ENCODER_CHECKS.add
def frozen(subject: EncoderSubject) -> None:
    """A training step changes a frozen encoder or puts it into training mode.

    Do not override `train` and `disable_gradients_if_required`, or call `super()` in them.
    """
    encoder = subject.fresh()
    if encoder.trainable:
        raise NotApplicableError("the encoder is trainable")
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    model = SimilarityModel(encoder, GatedHead(encoder.embedding_size)).train()
    training = [name or "itself" for name, m in encoder.named_modules() if m.training]
    if training:
        raise CheckError(
            f"expected all modules in evaluation mode, but {_listed(training)} are in training mode"
        )
    trained = [name for name, p in encoder.named_parameters() if p.requires_grad]
    if trained:
        raise CheckError(f"expected no parameter to require grad, but {_listed(trained)} do")
    model(model.get_collate_fn()(subject.objects)).square().sum().backward()
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    optimizer.step()
    moved = [
        name for name, value in encoder.state_dict().items() if not _equal(value, before[name])
    ]
    if moved:
        raise CheckError(
            f"expected an unchanged state after a training step, but {_listed(moved)} changed"
        )


@ENCODER_CHECKS.add
def gradients(subject: EncoderSubject) -> None:
    """A parameter of a trainable encoder gets no gradient, or a non-finite one.

    Keep the graph intact: avoid `detach()`, `no_grad()` and `.data`. Remove parameters that the
    embedding does not depend on, or freeze them with `requires_grad_(False)`: unused parameters
    abort distributed training.
    """
    encoder = subject.fresh()
    if not encoder.trainable:
        raise NotApplicableError("the encoder is frozen")
    encoder.train()
    trained = {name: p for name, p in encoder.named_parameters() if p.requires_grad}
    if not trained:
        raise CheckError("the encoder is trainable, but no parameter requires grad")
    embeddings = encoder(encoder.get_collate_fn()(subject.objects))
    (embeddings * torch.randn_like(embeddings)).sum().backward()
    without = [name for name, parameter in trained.items() if parameter.grad is None]
    if without:
        raise CheckError(
            f"{len(without)} of {len(trained)} parameters that require grad get no gradient: "
            f"{_listed(without)}"
        )
    _require_gradients(trained)


@ENCODER_CHECKS.add
def config_round_trip(subject: EncoderSubject) -> None:
    """Configuration and weights do not restore the encoder.

    Return every constructor argument from `get_config_dict()` as a JSON value, and keep learned
    state in parameters or buffers.
    """
    encoder = subject.fresh()
    if type(encoder).get_config_dict is Encoder.get_config_dict:
        if type(encoder).save is not Encoder.save:
            raise NotApplicableError("the encoder has no configuration, but overrides save()")
        raise CheckError(
            "expected get_config_dict() to return a configuration, but it is not overridden, so "
            "the "
            "encoder cannot be saved"
        )
    try:
        encoder.get_config_dict()
    except NotImplementedError as error:
        raise NotApplicableError(str(error)) from error
    again = rebuilt(encoder)
    again.load_state_dict(encoder.state_dict())
    _require_same_encoder(again, encoder, subject.objects)


@ENCODER_CHECKS.add
def model_folder_round_trip(subject: EncoderSubject) -> None:
    """The encoder of a model differs after saving and loading.

    Let `load` restore everything that `save` writes. State outside the configuration, parameters
    and buffers is lost unless both methods are overridden.
    """
    model = model_of(subject.fresh())
    with saved(model) as folder:
        again = loaded(folder, model)
        _require_same_encoder(again.encoders["default"], model.encoders["default"], subject.objects)


@ENCODER_CHECKS.add
def saved_without_pickle(subject: EncoderSubject) -> None:
    """A saved encoder contains pickles or code, which can run arbitrary code when loaded.

    Save weights with `quaterion_core.storage.save_weights` and everything else as JSON.
    """
    with saved(model_of(subject.fresh())) as folder:
        require_data_only(folder)


@ENCODER_CHECKS.add
def surplus_files(subject: EncoderSubject) -> None:
    """Loading ignores a file that saving does not write, so that it could hide in a saved model.

    Name the files that `save` writes in `saved_files`, or call `folder.require` in `load_from`.
    """
    require_surplus_refused(subject.fresh())


@ENCODER_CHECKS.add
def collate_is_picklable(subject: EncoderSubject) -> None:
    """The collate function cannot be pickled, holds weights, or changes when pickled.

    Return a module-level function, a `functools.partial` of one, or an instance of a small class.
    Do not return a lambda, or a method of the encoder, which holds the weights.
    """
    encoder = subject.fresh()
    for what, function in _functions(encoder).items():
        _require_picklable(function, what, encoder)
    encoder.eval()
    collate = pickle.loads(pickle.dumps(encoder.get_collate_fn()))
    with torch.no_grad():
        embeddings = encoder(collate(subject.objects))
    require_same(
        embeddings,
        embed(encoder, subject.objects),
        "embeddings with the unpickled collate function",
    )


@ENCODER_CHECKS.add
def collate_in_worker(subject: EncoderSubject) -> None:
    """The collate function fails or behaves differently in a `DataLoader` worker.

    Open files, tokenizers and connections on first use, in the process that uses them, and start no
    threads earlier.
    """
    encoder = subject.fresh()
    loader: DataLoader[Any] = DataLoader(
        subject.objects,  # type: ignore[arg-type]  # a list serves as a dataset
        batch_size=len(subject.objects),
        collate_fn=encoder.get_collate_fn(),
        num_workers=1,
        timeout=60,
    )
    (batch,) = list(loader)
    encoder.eval()
    with torch.no_grad():
        embeddings = encoder(batch)
    require_same(
        embeddings, embed(encoder, subject.objects), "embeddings of a batch collated in a worker"
    )


@ENCODER_CHECKS.add
def facts(subject: EncoderSubject) -> None:
    """The meta extractor or the length function does not return one value per object.

    Return a list with one dictionary per object from the meta extractor, and one non-negative `int`
    per object from the length function.
    """
    encoder, objects = subject.fresh(), subject.objects
    meta = encoder.get_meta_extractor()(objects)
    if not isinstance(meta, list) or len(meta) != len(objects):
        raise CheckError(
            f"the meta extractor: expected a list of {len(objects)} dictionaries, got {meta!r:.80}"
        )
    length_of = encoder.get_length_fn()
    if length_of is None:
        return
    lengths = list(length_of(objects))
    if len(lengths) != len(objects) or not all(isinstance(n, Integral) and n >= 0 for n in lengths):
        raise CheckError(
            f"the length function: expected {len(objects)} non-negative integers, got "
            f"{lengths!r:.80}"
        )


@ENCODER_CHECKS.add
def objects_unchanged(subject: EncoderSubject) -> None:
    """Embedding modifies the raw objects, which are used again in the next epoch.

    Copy an object before modifying it; avoid in-place methods in the collate function.
    """
    encoder, objects = subject.fresh(), subject.objects
    before = pickle.dumps(objects)
    embed(encoder, objects)
    if pickle.dumps(objects) != before:
        raise CheckError("expected unchanged objects after embedding, but they were modified")


@ENCODER_CHECKS.add
def precision(subject: EncoderSubject) -> None:
    """The embeddings do not have the dtype of the weights, or break in mixed precision.

    Create tensors with the `dtype` of the weights or the input (NumPy defaults to float64), or in
    float32 if the weights are in half precision. Convert with
    `quaterion_core.utils.precision.at_least_float32` before operations that overflow in half
    precision.
    """
    encoder = subject.fresh()
    embeddings = embed(encoder, subject.objects)
    weights = [p.dtype for p in encoder.parameters() if p.is_floating_point()]
    expected = weights[0] if weights else torch.float32
    widened = torch.promote_types(expected, torch.float32)
    if embeddings.dtype not in (expected, widened):
        raise CheckError(f"embeddings: expected {expected}, got {embeddings.dtype}")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = embed(encoder, subject.objects)
    _require_rows(mixed, encoder, len(subject.objects))
    require_finite(mixed, "embeddings under bfloat16 autocast")


@ENCODER_CHECKS.add
def device(subject: EncoderSubject) -> None:
    """The encoder mixes devices when moved to a GPU.

    Register tensors as parameters or buffers, and pass `device=` when creating tensors in
    `forward`.
    """
    encoder = subject.fresh().eval()
    batch = encoder.get_collate_fn()(subject.objects)
    with torch.no_grad():
        require_other_device(encoder, batch, encoder)


@ENCODER_CHECKS.add
def cached_equals_uncached(subject: EncoderSubject) -> None:
    """The cached embeddings differ from those of the encoder.

    Let an embedding depend only on the content of the object, and let the length function accept
    every object.
    """
    # Imports Lightning, which takes seconds.
    from quaterion_core.train.cache import CacheConfig, CacheType
    from quaterion_core.train.cache.training_cache import TrainingCache

    encoder, objects = subject.fresh(), subject.objects
    if encoder.trainable:
        raise NotApplicableError("the encoder is trainable, and only frozen encoders are cached")
    if encoder.get_train_collate_fn() is not None:
        raise NotApplicableError(
            "the encoder augments training data, which the cache stores as views"
        )
    model = model_of(encoder)
    samples = [SimilarityGroupSample(obj, group=0) for obj in [*objects, *reversed(objects)]]
    loader = GroupSimilarityDataLoader(samples, batch_size=3)
    config = CacheConfig(CacheType.CPU, batch_size=2)
    cache = TrainingCache(model, config, loader, device=torch.device("cpu"))
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # the progress bar
            loaders, _ = cache.fill()
        embeddings = torch.cat([model.encode_features(features) for features, _ in loaders.train])
    finally:
        cache.close()
    expected = embed(encoder, [sample.obj for sample in samples])
    require_same(embeddings, expected, "cached embeddings")


@ENCODER_CHECKS.add
def odd_objects(subject: EncoderSubject) -> None:
    """An odd object, such as an empty text, raises an error or gives NaN.

    Avoid division by a count that can be 0; return zeros for an empty object.
    """
    odd = subject.odd_objects
    if not odd:
        raise NotApplicableError("the example has no odd_objects")
    encoder = subject.fresh()
    for obj in odd:
        embeddings = embed(encoder, [obj])
        _require_rows(embeddings, encoder, 1)
        require_finite(embeddings, f"the embedding of {obj!r:.40}")
    together = embed(encoder, [*subject.objects, *odd])
    expected = embed(encoder, subject.objects)
    require_same(together[: len(expected)], expected, "embeddings in a batch with odd objects")


@ENCODER_CHECKS.add
def from_data(subject: EncoderSubject) -> None:
    """`from_data` iterates over the objects twice, or is not deterministic.

    Iterate over `objects` once, or convert them to a list first; draw random numbers from PyTorch's
    generator.
    """
    cls = type(subject.fresh())
    arguments = dict(subject.example.arguments)
    if cls.from_data.__func__ is Encoder.from_data.__func__:  # type: ignore[attr-defined]
        raise NotApplicableError("the encoder does not override from_data()")
    needed = [
        parameter.name
        for parameter in inspect.signature(cls.from_data).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        and parameter.name not in {"objects", *arguments}
    ]
    if needed:
        raise NotApplicableError(
            f"from_data() requires {_listed(needed)}, missing from the example's arguments"
        )
    objects, embeddings = subject.objects, []
    for given in (objects, iter(objects)):
        torch.manual_seed(0)
        encoder = cls.from_data(given, **arguments)
        embeddings.append(embed(encoder, objects))
        _require_rows(embeddings[-1], encoder, len(objects))
    require_same(
        embeddings[1], embeddings[0], "embeddings after from_data() on a one-shot iterator"
    )


def _require_rows(embeddings: object, encoder: Encoder, count: int) -> None:
    expected = f"a floating-point tensor of shape ({count}, {encoder.embedding_size})"
    if not isinstance(embeddings, Tensor):
        raise CheckError(f"forward(): expected {expected}, got a {type(embeddings).__name__}")
    if embeddings.shape != (count, encoder.embedding_size) or not embeddings.is_floating_point():
        raise CheckError(
            f"forward(): expected {expected}, got {embeddings.dtype} of shape "
            f"{tuple(embeddings.shape)}"
        )


def _require_same_encoder(again: Encoder, encoder: Encoder, objects: list[Any]) -> None:
    for attribute in ("trainable", "embedding_size"):
        require_equal(getattr(again, attribute), getattr(encoder, attribute), attribute)
    require_same(embed(again, objects), embed(encoder, objects), "embeddings")
    in_training = []
    for one in (again, encoder):
        torch.manual_seed(0)
        in_training.append(one.train()(one.get_collate_fn()(objects)).detach())
    found, expected = in_training
    require_same(found, expected, "embeddings in training mode with the same seed")


def _require_gradients(parameters: Mapping[str, nn.Parameter]) -> None:
    found = {name: p.grad for name, p in parameters.items() if p.grad is not None}
    for name, gradient in found.items():
        values = gradient.coalesce().values() if gradient.is_sparse else gradient
        require_finite(values, f"the gradient of {name}")
    if not any(gradient.abs().sum() > 0 for gradient in found.values()):
        raise CheckError("expected a nonzero gradient, but all gradients are zero")


def _functions(encoder: Encoder) -> dict[str, Callable[..., Any]]:
    """Return the functions of an encoder that run in loader workers, by description."""
    functions: dict[str, Callable[..., Any]] = {"the collate function": encoder.get_collate_fn()}
    length_of = encoder.get_length_fn()
    if length_of is not None:
        functions["the length function"] = length_of
    functions["the meta extractor"] = encoder.get_meta_extractor()
    return functions


class _WeightFinder(pickle.Pickler):
    """Pickler that records which of the given parameters are pickled along."""

    def __init__(self, parameters: dict[int, str]):
        super().__init__(io.BytesIO())
        self._parameters = parameters
        self.found: list[str] = []

    def persistent_id(self, obj: Any) -> None:
        """Record the object if it is a parameter; pickling proceeds as usual."""
        if id(obj) in self._parameters:
            self.found.append(self._parameters[id(obj)])


def _require_picklable(function: Any, what: str, encoder: Encoder) -> None:
    finder = _WeightFinder({id(p): name for name, p in encoder.named_parameters()})
    try:
        finder.dump(function)
    except Exception as error:  # pickle raises many types
        raise CheckError(f"{what} cannot be pickled: {describe(error)}") from error
    if finder.found:
        raise CheckError(
            f"{what} holds weights of the encoder, which would be copied to every worker: "
            f"{_listed(finder.found)}"
        )


def _equal(a: Tensor, b: Tensor) -> bool:
    return torch.equal(a, b) or bool(((a == b) | (a.isnan() & b.isnan())).all())


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
