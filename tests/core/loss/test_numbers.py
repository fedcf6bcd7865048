"""Every registered loss and distance, for embeddings of any size and floating-point type."""

import inspect
import math

import pytest
import torch

from quaterion_core.components import build_component
from quaterion_core.dataset.targets import NO_SUBGROUP
from quaterion_core.distances import Distance
from quaterion_core.plugins import registry

GIVEN = {
    "embedding_size": 6,
    "num_groups": 8,
    "dims": [6, 3],
    "loss": "quaterion-core/multiple-negatives-ranking",
}
"""Arguments of losses, for those that take them."""
DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
SCALES = {  # as far as the type goes
    torch.float16: [1e-7, 1.0, 1e4],
    torch.bfloat16: [1e-30, 1.0, 1e25],
    torch.float32: [1e-30, 1e-20, 1e-12, 1.0, 1e9, 1e19, 1e25],
    torch.float64: [1e-30, 1.0, 1e25, 1e150],
}


def choices():
    """Return every registered loss, with each distance, mining and flag that it accepts."""
    found = {}
    for record in registry.components("loss"):
        cls = registry.load("loss", record.id)
        known = set(inspect.signature(cls.__init__).parameters)
        arguments = {name: value for name, value in GIVEN.items() if name in known}
        options = [{}]
        if "distance_metric_name" in known:
            options += [{"distance_metric_name": name} for name in ("euclidean", "dot_product")]
        if "mining" in known:
            options += [{"mining": name} for name in ("all", "semi_hard", "hard")]
        options += [{name: True} for name in ("soft", "symmetric") if name in known]
        for option in options:
            choice = {"name": record.id, **arguments, **option}
            try:
                build_component("loss", choice)
            except ValueError:
                continue  # the loss does not have this mining
            found[" ".join([record.id, *map(str, option.values())])] = choice
    return found


CHOICES = choices()


def vectors(dtype, scale, count=8):
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(count, 6, dtype=torch.float64, generator=generator)
    return (drawn.clamp(-3, 3) * scale).to(dtype)


def batches(dtype):
    """Return embeddings, by what is special about them."""
    plain = vectors(dtype, 1.0)
    made = {f"scale {scale:g}": vectors(dtype, scale) for scale in SCALES[dtype]}
    made["zeros"] = torch.zeros_like(plain)
    made["one zero"] = torch.cat([torch.zeros_like(plain[:1]), plain[1:]])
    made["equal"] = plain[:1].repeat(8, 1)
    made["opposite"] = torch.cat([plain[:4], -plain[:4]])
    sizes = torch.tensor([SCALES[dtype][0], SCALES[dtype][-1]] * 4, dtype=torch.float64)
    made["mixed sizes"] = (vectors(torch.float64, 1.0) * sizes.unsqueeze(1)).to(dtype)
    return made


def targets_of(loss, count):
    """Return the targets of batches: usual ones, some without positives or negatives."""
    if loss.sample_kind == "groups":
        return [
            {"groups": torch.arange(count) % 2},
            {"groups": torch.arange(count)},
            {"groups": torch.zeros(count, dtype=torch.int64)},
        ]
    first = torch.arange(count // 2)
    pairs = torch.stack([first, first + len(first)], dim=1)
    usual = (first % 2).float()
    return [
        {"pairs": pairs, "labels": labels, "subgroups": subgroups.repeat(2)}
        for labels, subgroups in (
            (usual, first // 2),
            (torch.ones(len(first)), torch.full_like(first, NO_SUBGROUP)),
            (torch.zeros(len(first)), first),
            (torch.ones(len(first)), torch.zeros_like(first)),
        )
    ]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES.keys())
def test_values_and_gradients_are_finite_and_of_the_right_type(choice, dtype):
    torch.manual_seed(0)
    loss = build_component("loss", choice)
    targets = [*targets_of(loss, 8), targets_of(loss, 2)[0]]
    counts = [8] * (len(targets) - 1) + [2]
    faults = []
    for name, given in batches(dtype).items():
        loss.zero_grad()
        embeddings = [given[:count].clone().requires_grad_() for count in counts]
        values = [loss.batch_loss(*batch) for batch in zip(embeddings, targets, strict=True)]
        torch.stack(values).sum().backward()  # once, which is faster
        for number, (value, leaf) in enumerate(zip(values, embeddings, strict=True)):
            if value.dtype != torch.promote_types(dtype, torch.float32):
                faults.append((name, number, value.dtype))
            if not math.isfinite(value.item()):
                faults.append((name, number, value.item()))
            if not torch.isfinite(leaf.grad).all():
                faults.append((name, number, "gradient"))
        if not all(torch.isfinite(p.grad).all() for p in loss.parameters() if p.grad is not None):
            faults.append((name, "gradient of the loss's parameters"))
    assert not faults


@pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES.keys())
def test_no_number_in_a_loss_is_rounded_to_float32(choice):
    """Python numbers turned into tensors would take PyTorch's default type, and change with it."""
    torch.manual_seed(0)
    loss = build_component("loss", choice).double()
    values = []
    for default in (torch.float32, torch.float64):
        torch.set_default_dtype(default)
        try:
            embeddings = vectors(torch.float64, 1.0).requires_grad_()
            targets = targets_of(loss, 8)[0]
            value = loss.batch_loss(embeddings, targets)
            value.backward()
        finally:
            torch.set_default_dtype(torch.float32)
        values.append((value.detach(), embeddings.grad))
    (value, gradient), (expected, expected_gradient) = values
    torch.testing.assert_close(value, expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", list(Distance))
def test_distances_of_any_size_are_finite_and_the_same_in_both_forms(name, dtype):
    distance = Distance.get_by_name(name)
    tolerance = 4 * torch.finfo(dtype).eps
    for case, given in batches(dtype).items():
        overflows = given.double().abs().max() ** 2 * 6 > torch.finfo(dtype).max / 4
        if name == Distance.DOT_PRODUCT and overflows:
            continue  # the type cannot hold the right value
        if case == "scale 10000" and dtype == torch.float16 and name == Distance.MANHATTAN:
            given = given / 4
        x, y = given[:4], given[4:]
        for paired, matrix in (
            (distance.distance, distance.distance_matrix),
            (distance.similarity, distance.similarity_matrix),
        ):
            one, other = x.clone().requires_grad_(), x.clone().requires_grad_()
            values, of_matrix = paired(one, y), matrix(other, y).diagonal()
            assert values.dtype == of_matrix.dtype == dtype
            scale = float(given.double().abs().max()) if paired is distance.distance else 1.0
            size = max(1.0, scale**2 if name == Distance.DOT_PRODUCT else scale)
            torch.testing.assert_close(
                values.double() / size, of_matrix.double() / size, rtol=tolerance, atol=tolerance
            )
            values.sum().backward()
            of_matrix.sum().backward()
            assert torch.isfinite(one.grad).all(), case
            assert torch.isfinite(other.grad).all(), case


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e25])
@pytest.mark.parametrize("name", ["euclidean", "manhattan"])
def test_distances_grow_with_the_embeddings(name, scale):
    distance = Distance.get_by_name(name)
    x, y = vectors(torch.float64, 1.0).chunk(2)
    expected = distance.distance_matrix(x, y) * scale
    value = distance.distance_matrix((x * scale).float(), (y * scale).float())
    torch.testing.assert_close(value.double() / scale, expected / scale, rtol=1e-5, atol=1e-6)
    paired = distance.distance((x * scale).float(), (y * scale).float())
    torch.testing.assert_close(
        paired.double() / scale, expected.diagonal() / scale, rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_the_cosine_does_not_depend_on_the_length(dtype):
    cosine = Distance.get_by_name("cosine")
    x = vectors(dtype, 1.0)
    for scale in (1e-10, 1e19, 1e25):
        torch.testing.assert_close(cosine.similarity_matrix(x * scale), cosine.similarity_matrix(x))
        torch.testing.assert_close(
            cosine.similarity(x * scale, x.flip(0)), cosine.similarity(x, x.flip(0))
        )
