"""What is checked of an encoder."""

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
from quaterion_core.testing.folders import loaded, require_data_only, saved
from quaterion_core.testing.report import Report
from quaterion_core.testing.subject import Example, Subject, subject_of


class EncoderSubject(Subject[Encoder]):
    """An encoder and raw objects for it."""

    @property
    def objects(self) -> list[Any]:
        """The raw objects, copied for one check to do with as it likes."""
        return copy.deepcopy(list(self.example.objects))

    @property
    def odd_objects(self) -> list[Any]:
        """The odd ones, copied too."""
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
        encoder: An encoder, which is left as it is, or a function or class that builds one.
        objects: Two or more different raw objects.
        odd_objects: Raw objects that it should survive, such as an empty text.
        expected_failures: Why a check fails that cannot be passed, by the name of the check.

    Returns:
        One result for each check of :data:`ENCODER_CHECKS`.

    Raises:
        ValueError: There are fewer than two objects, or no check of a name.

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
            f"check_encoder needs two or more different raw objects, but got {len(objects)}: one "
            "alone does not tell whether its neighbours change an embedding."
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
    """Make a model whose embeddings are those of the encoder."""
    return SimilarityModel(encoder, EmptyHead(encoder.embedding_size))


@ENCODER_CHECKS.add
def construction(subject: EncoderSubject) -> None:
    """The encoder cannot be built from the arguments given, or not be copied.

    Give what its constructor needs: `Example(arguments={...}, objects=[...])` under the encoder's
    name in `examples`; or mend the constructor.
    """
    subject.built()
    if len(subject.objects) < 2:
        raise CheckError(
            f"there are {len(subject.objects)} raw objects to embed, expected were two or more "
            "different ones"
        )


@ENCODER_CHECKS.add
def interface(subject: EncoderSubject) -> None:
    """The class is not derived from `Encoder`, or its properties are of a wrong type.

    Derive from `quaterion_core.encoders.Encoder`; `trainable` is a `bool`, `embedding_size` a
    positive `int`, the collate function can be called.
    """
    encoder = subject.fresh()
    require_interface(encoder, Encoder)
    if type(encoder.trainable) is not bool:
        raise CheckError(f"trainable is {encoder.trainable!r}, expected was True or False")
    if type(encoder.embedding_size) is not int or encoder.embedding_size < 1:
        raise CheckError(
            f"embedding_size is {encoder.embedding_size!r}, expected was a positive int"
        )
    if not callable(encoder.get_collate_fn()):
        raise CheckError(f"get_collate_fn() returns {encoder.get_collate_fn()!r:.80}, no function")


@ENCODER_CHECKS.add
def output(subject: EncoderSubject) -> None:
    """The embeddings are no finite floating-point rows of the length `embedding_size`.

    Return one row for each object; let `embedding_size` tell what `forward` gives.
    """
    encoder = subject.fresh()
    embeddings = embed(encoder, subject.objects)
    _require_rows(embeddings, encoder, len(subject.objects))
    require_finite(embeddings, "embeddings")


@ENCODER_CHECKS.add
def batch_of_one(subject: EncoderSubject) -> None:
    """A single object is not embedded as one row.

    Keep the first dimension: no `squeeze()` without a dimension, no statistics over the batch.
    """
    encoder = subject.fresh()
    for position, obj in enumerate(subject.objects):
        embeddings = embed(encoder, [obj])
        _require_rows(embeddings, encoder, 1)
        require_finite(embeddings, f"the embedding of the object {position} alone")


@ENCODER_CHECKS.add
def determinism(subject: EncoderSubject) -> None:
    """The same objects are embedded differently the second time, in evaluation mode.

    Apply dropout and other noise only where `self.training`; change no state in `forward`.
    """
    encoder = subject.fresh()
    first = embed(encoder, subject.objects)
    require_same(embed(encoder, subject.objects), first, "embedded a second time")


@ENCODER_CHECKS.add
def order_invariance(subject: EncoderSubject) -> None:
    """An embedding depends on the place of the object in the batch or on its neighbours.

    Mask padding, return rows in the order of the objects, normalise over features and not over
    the batch.
    """
    encoder, objects = subject.fresh(), subject.objects
    expected = embed(encoder, objects)
    require_same(embed(encoder, objects[::-1]).flip(0), expected, "objects in the opposite order")
    require_same(embed(encoder, objects * 3)[: len(objects)], expected, "objects three times")
    alone = torch.cat([embed(encoder, [obj]) for obj in objects])
    require_same(alone, expected, "objects one by one")


@ENCODER_CHECKS.add
def frozen(subject: EncoderSubject) -> None:
    """Training changes an encoder that says it is not trainable, or puts it into training mode.

    Do not override `train` and `disable_gradients_if_required`, or call `super()` in them.
    """
    encoder = subject.fresh()
    if encoder.trainable:
        raise NotApplicableError("it is trainable")
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    model = SimilarityModel(encoder, GatedHead(encoder.embedding_size)).train()
    training = [name or "itself" for name, m in encoder.named_modules() if m.training]
    if training:
        raise CheckError(f"in training mode are {_listed(training)}, expected were none")
    asking = [name for name, p in encoder.named_parameters() if p.requires_grad]
    if asking:
        raise CheckError(f"{_listed(asking)} ask for a gradient, expected was that none does")
    model(model.get_collate_fn()(subject.objects)).square().sum().backward()
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    optimizer.step()
    moved = [
        name for name, value in encoder.state_dict().items() if not _equal(value, before[name])
    ]
    if moved:
        raise CheckError(f"a training step changed {_listed(moved)}, expected was no change")


@ENCODER_CHECKS.add
def gradients(subject: EncoderSubject) -> None:
    """A parameter of a trainable encoder asks for a gradient and gets none, or a broken one.

    Keep the graph: no `detach()`, `no_grad()` or `.data` on the way. Remove parameters that the
    embedding does not depend on, or freeze them with `requires_grad_(False)`: with several
    processes each of them stops the training.
    """
    encoder = subject.fresh()
    if not encoder.trainable:
        raise NotApplicableError("it is not trainable")
    encoder.train()
    asking = {name: p for name, p in encoder.named_parameters() if p.requires_grad}
    if not asking:
        raise CheckError("it is trainable, but no parameter asks for a gradient")
    embeddings = encoder(encoder.get_collate_fn()(subject.objects))
    (embeddings * torch.randn_like(embeddings)).sum().backward()
    without = [name for name, parameter in asking.items() if parameter.grad is None]
    if without:
        raise CheckError(
            f"{len(without)} of {len(asking)} parameters that ask for a gradient get none: "
            f"{_listed(without)}"
        )
    _require_gradients(asking)


@ENCODER_CHECKS.add
def config_round_trip(subject: EncoderSubject) -> None:
    """Configuration and weights do not build the same encoder again.

    Return every argument of the constructor from `get_config_dict()`, as JSON values; keep what
    is learned in parameters or buffers.
    """
    encoder = subject.fresh()
    if type(encoder).get_config_dict is Encoder.get_config_dict:
        if type(encoder).save is not Encoder.save:
            raise NotApplicableError("it declares no configuration, but has a save() of its own")
        raise CheckError("it declares no configuration, so it cannot be saved")
    try:
        encoder.get_config_dict()
    except NotImplementedError as error:
        raise NotApplicableError(str(error)) from error
    again = rebuilt(encoder)
    again.load_state_dict(encoder.state_dict())
    _require_same_encoder(again, encoder, subject.objects)


@ENCODER_CHECKS.add
def model_folder_round_trip(subject: EncoderSubject) -> None:
    """The encoder of a saved and loaded model is not the one that was saved.

    Let `load` restore all that `save` was given; what is neither configuration nor parameter nor
    buffer is lost unless both are overridden.
    """
    model = model_of(subject.fresh())
    with saved(model) as folder:
        again = loaded(folder, model)
        _require_same_encoder(again.encoders["default"], model.encoders["default"], subject.objects)


@ENCODER_CHECKS.add
def saved_without_pickle(subject: EncoderSubject) -> None:
    """A saved encoder is made of pickles or code, which can do anything when they are loaded.

    Save weights with `quaterion_core.storage.save_weights`, anything else as JSON.
    """
    with saved(model_of(subject.fresh())) as folder:
        require_data_only(folder)


@ENCODER_CHECKS.add
def collate_is_picklable(subject: EncoderSubject) -> None:
    """The collate function cannot be pickled, takes the weights along, or comes back another.

    Return a function of a module, a `functools.partial` of one, or an instance of a small class:
    no lambda, and no method of the encoder, which holds its weights.
    """
    encoder = subject.fresh()
    for what, function in _functions(encoder).items():
        _require_picklable(function, what, encoder)
    encoder.eval()
    collate = pickle.loads(pickle.dumps(encoder.get_collate_fn()))
    with torch.no_grad():
        embeddings = encoder(collate(subject.objects))
    require_same(embeddings, embed(encoder, subject.objects), "collated by the pickled function")


@ENCODER_CHECKS.add
def collate_in_worker(subject: EncoderSubject) -> None:
    """The collate function does not work, or not in the same way, in a worker of a `DataLoader`.

    Open files, tokenizers and connections when they are first used, in the process that uses
    them; start no threads before.
    """
    encoder = subject.fresh()
    loader: DataLoader[Any] = DataLoader(
        subject.objects,  # type: ignore[arg-type]  # a list is a data set
        batch_size=len(subject.objects),
        collate_fn=encoder.get_collate_fn(),
        num_workers=1,
        timeout=60,
    )
    (batch,) = list(loader)
    encoder.eval()
    with torch.no_grad():
        embeddings = encoder(batch)
    require_same(embeddings, embed(encoder, subject.objects), "collated in a worker")


@ENCODER_CHECKS.add
def facts(subject: EncoderSubject) -> None:
    """The meta extractor or the length function does not fit the objects.

    Return one dictionary for each of a list of objects, and one length, an `int` of 0 or more.
    """
    encoder, objects = subject.fresh(), subject.objects
    meta = encoder.get_meta_extractor()(objects)
    if not isinstance(meta, list) or len(meta) != len(objects):
        raise CheckError(
            f"the meta extractor returns {meta!r:.80}, expected was a list of {len(objects)} "
            "dictionaries"
        )
    length_of = encoder.get_length_fn()
    if length_of is None:
        return
    lengths = list(length_of(objects))
    if len(lengths) != len(objects) or not all(isinstance(n, Integral) and n >= 0 for n in lengths):
        raise CheckError(
            f"the length function returns {lengths!r:.80}, expected were {len(objects)} integers "
            "of 0 or more"
        )


@ENCODER_CHECKS.add
def objects_unchanged(subject: EncoderSubject) -> None:
    """Embedding changes the raw objects, which the next epoch then gets.

    Copy an object before it is changed; no in-place methods in the collate function.
    """
    encoder, objects = subject.fresh(), subject.objects
    before = pickle.dumps(objects)
    embed(encoder, objects)
    if pickle.dumps(objects) != before:
        raise CheckError("the objects are not what they were before they were embedded")


@ENCODER_CHECKS.add
def precision(subject: EncoderSubject) -> None:
    """The embeddings are not of the weights' type, or break in mixed precision.

    Make tensors with the `dtype` of the weights or of the input (NumPy makes float64), or with
    float32 where weights are in half precision; compute what half precision cannot hold with
    `quaterion_core.utils.precision.at_least_float32`.
    """
    encoder = subject.fresh()
    embeddings = embed(encoder, subject.objects)
    weights = [p.dtype for p in encoder.parameters() if p.is_floating_point()]
    expected = weights[0] if weights else torch.float32
    widened = torch.promote_types(expected, torch.float32)
    if embeddings.dtype not in (expected, widened):
        raise CheckError(f"the embeddings are {embeddings.dtype}, expected was {expected}")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = embed(encoder, subject.objects)
    _require_rows(mixed, encoder, len(subject.objects))
    require_finite(mixed, "embeddings under bfloat16 autocast")


@ENCODER_CHECKS.add
def device(subject: EncoderSubject) -> None:
    """The encoder mixes devices once it is moved to a GPU.

    Register tensors as parameters or buffers; give `device=` to each tensor made in `forward`.
    """
    encoder = subject.fresh().eval()
    batch = encoder.get_collate_fn()(subject.objects)
    with torch.no_grad():
        require_other_device(encoder, batch, encoder)


@ENCODER_CHECKS.add
def cached_equals_uncached(subject: EncoderSubject) -> None:
    """The embeddings from the cache of a training are not those of the encoder.

    Let an embedding depend on the content of the object alone, and the length function work for
    every object.
    """
    # Imports Lightning, which takes seconds.
    from quaterion_core.train.cache import CacheConfig, CacheType
    from quaterion_core.train.cache.training_cache import TrainingCache

    encoder, objects = subject.fresh(), subject.objects
    if encoder.trainable:
        raise NotApplicableError("it is trainable, and only frozen encoders are cached")
    if encoder.get_train_collate_fn() is not None:
        raise NotApplicableError("it augments training data, of which the cache keeps views")
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
    require_same(embeddings, expected, "embeddings from the cache")


@ENCODER_CHECKS.add
def odd_objects(subject: EncoderSubject) -> None:
    """An odd object, such as an empty text, is refused or embedded as NaN.

    Divide by no count that can be 0; return zeros for an object with nothing in it.
    """
    odd = subject.odd_objects
    if not odd:
        raise NotApplicableError("no odd_objects are given")
    encoder = subject.fresh()
    for obj in odd:
        embeddings = embed(encoder, [obj])
        _require_rows(embeddings, encoder, 1)
        require_finite(embeddings, f"the embedding of {obj!r:.40}")
    together = embed(encoder, [*subject.objects, *odd])
    expected = embed(encoder, subject.objects)
    require_same(together[: len(expected)], expected, "objects beside odd ones")


@ENCODER_CHECKS.add
def from_data(subject: EncoderSubject) -> None:
    """`from_data` reads the objects twice, or builds another encoder each time.

    Read `objects` once, or make a list of them first; draw at random with PyTorch's generator.
    """
    cls = type(subject.fresh())
    arguments = dict(subject.example.arguments)
    if cls.from_data.__func__ is Encoder.from_data.__func__:  # type: ignore[attr-defined]
        raise NotApplicableError("it has no from_data() of its own")
    needed = [
        parameter.name
        for parameter in inspect.signature(cls.from_data).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        and parameter.name not in {"objects", *arguments}
    ]
    if needed:
        raise NotApplicableError(
            f"from_data() needs {_listed(needed)}, which the example does not give"
        )
    objects, embeddings = subject.objects, []
    for given in (objects, iter(objects)):
        torch.manual_seed(0)
        encoder = cls.from_data(given, **arguments)
        embeddings.append(embed(encoder, objects))
        _require_rows(embeddings[-1], encoder, len(objects))
    require_same(embeddings[1], embeddings[0], "built from objects that can be read once")


def _require_rows(embeddings: object, encoder: Encoder, count: int) -> None:
    expected = f"a floating-point tensor of the shape ({count}, {encoder.embedding_size})"
    if not isinstance(embeddings, Tensor):
        raise CheckError(
            f"forward() returns a {type(embeddings).__name__}, expected was {expected}"
        )
    if embeddings.shape != (count, encoder.embedding_size) or not embeddings.is_floating_point():
        raise CheckError(
            f"forward() returns {tuple(embeddings.shape)} of {embeddings.dtype} for {count} "
            f"objects, expected was {expected}"
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
    require_same(found, expected, "embeddings in training mode, with one seed")


def _require_gradients(parameters: Mapping[str, nn.Parameter]) -> None:
    found = {name: p.grad for name, p in parameters.items() if p.grad is not None}
    for name, gradient in found.items():
        values = gradient.coalesce().values() if gradient.is_sparse else gradient
        require_finite(values, f"the gradient of {name}")
    if not any(gradient.abs().sum() > 0 for gradient in found.values()):
        raise CheckError("all gradients are zero, expected was that some are not")


def _functions(encoder: Encoder) -> dict[str, Callable[..., Any]]:
    """Return the functions of an encoder that run in the workers of a loader."""
    functions: dict[str, Callable[..., Any]] = {"the collate function": encoder.get_collate_fn()}
    length_of = encoder.get_length_fn()
    if length_of is not None:
        functions["the length function"] = length_of
    functions["the meta extractor"] = encoder.get_meta_extractor()
    return functions


class _WeightFinder(pickle.Pickler):
    """Pickles, and notes which of the given parameters are pickled too."""

    def __init__(self, parameters: dict[int, str]):
        super().__init__(io.BytesIO())
        self._parameters = parameters
        self.found: list[str] = []

    def persistent_id(self, obj: Any) -> None:
        """Note the object if it is a parameter; pickle it as always."""
        if id(obj) in self._parameters:
            self.found.append(self._parameters[id(obj)])


def _require_picklable(function: Any, what: str, encoder: Encoder) -> None:
    finder = _WeightFinder({id(p): name for name, p in encoder.named_parameters()})
    try:
        finder.dump(function)
    except Exception as error:  # pickle raises all kinds
        raise CheckError(f"{what} cannot be pickled: {describe(error)}") from error
    if finder.found:
        raise CheckError(
            f"{what} holds weights of the encoder: {_listed(finder.found)}. They would be copied "
            "into every worker"
        )


def _equal(a: Tensor, b: Tensor) -> bool:
    return torch.equal(a, b) or bool(((a == b) | (a.isnan() & b.isnan())).all())


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
