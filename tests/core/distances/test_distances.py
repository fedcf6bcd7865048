import pytest
import torch
from sklearn.metrics import pairwise
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from quaterion_core.distances import (
    BaseDistance,
    Cosine,
    Distance,
    DotProduct,
    Euclidean,
    Manhattan,
)

DISTANCES = [Cosine, DotProduct, Euclidean, Manhattan]
SKLEARN = {
    Cosine: pairwise.cosine_distances,
    DotProduct: lambda x, y: -x @ y.T,
    Euclidean: pairwise.euclidean_distances,
    Manhattan: pairwise.manhattan_distances,
}
each_distance = pytest.mark.parametrize("distance", DISTANCES)


class LargestTensor(TorchDispatchMode):
    """Records the size of the largest tensor returned by an operation."""

    values = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        sizes = [leaf.numel() for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        self.values = max(self.values, *sizes, 0)
        return result


@pytest.fixture
def x():
    return torch.randn(40, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def y():
    return torch.randn(30, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize(
    ("distance", "expected"),
    [
        (Cosine, 1 - 24 / 25),  # (3, 4)·(4, 3) = 24, lengths 5 and 5
        (DotProduct, -24.0),
        (Euclidean, 2**0.5),  # differences -1 and 1
        (Manhattan, 2.0),
    ],
)
def test_distances_of_two_vectors_worked_by_hand(distance, expected):
    a, b = torch.tensor([[3.0, 4.0]]), torch.tensor([[4.0, 3.0]])
    assert distance.distance(a, b).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("distance", "expected"),
    [
        (Cosine, 24 / 25),
        (DotProduct, 24.0),
        (Euclidean, 1 / (1 + 2**0.5)),
        (Manhattan, 1 / 3),
    ],
)
def test_similarities_of_two_vectors_worked_by_hand(distance, expected):
    a, b = torch.tensor([[3.0, 4.0]]), torch.tensor([[4.0, 3.0]])
    assert distance.similarity(a, b).item() == pytest.approx(expected)


@each_distance
def test_distance_matrices_are_those_of_scikit_learn(distance, x, y):
    expected = torch.as_tensor(SKLEARN[distance](x.numpy(), y.numpy()))
    torch.testing.assert_close(distance.distance_matrix(x, y), expected)


@each_distance
@pytest.mark.parametrize("form", ["distance", "similarity"])
def test_paired_and_matrix_forms_agree(distance, form, x):
    """In Quaterion 0.1 the matrix forms of cosine were on another scale than the paired ones."""
    z = x.flip(0)
    in_matrix = getattr(distance, f"{form}_matrix")(x, z).diagonal()
    torch.testing.assert_close(getattr(distance, form)(x, z), in_matrix)


def test_cosine_reaches_from_minus_one_to_one_in_both_forms():
    a, b = torch.tensor([[1.0, 0.0]]), torch.tensor([[-2.0, 0.0]])
    assert Cosine.similarity(a, b).item() == Cosine.similarity_matrix(a, b).item() == -1.0
    assert Cosine.distance(a, b).item() == Cosine.distance_matrix(a, b).item() == 2.0


@each_distance
def test_a_matrix_of_one_operand_compares_it_with_itself(distance, x):
    torch.testing.assert_close(distance.distance_matrix(x), distance.distance_matrix(x, x.clone()))


@each_distance
def test_a_distance_orders_as_its_similarity_does(distance, x, y):
    by_distance = distance.distance_matrix(x, y).argsort(dim=1)
    by_similarity = distance.similarity_matrix(x, y).argsort(dim=1, descending=True)
    assert torch.equal(by_distance, by_similarity)


@pytest.mark.parametrize("distance", [Euclidean, Manhattan])
def test_a_row_has_no_distance_from_itself(distance):
    far_away = torch.randn(40, 6) + 1000
    assert distance.distance_matrix(far_away).diagonal().abs().max() == 0


def test_euclidean_distances_far_from_the_origin_do_not_cancel(x, y):
    far_x, far_y = (x + 4096).float(), (y + 4096).float()
    expected = torch.as_tensor(
        pairwise.euclidean_distances(far_x.double().numpy() - 4096, far_y.double().numpy() - 4096)
    )
    distances = Euclidean.distance_matrix(far_x, far_y)
    torch.testing.assert_close(distances, expected.float(), rtol=1e-4, atol=1e-4)


@each_distance
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_data_type_is_kept(distance, dtype, x, y):
    x, y = x.to(dtype), y.to(dtype)
    for matrix in (distance.distance_matrix(x, y), distance.similarity_matrix(x)):
        assert matrix.dtype == dtype
    for paired in (distance.distance(x, x), distance.similarity(x, x)):
        assert paired.dtype == dtype


@each_distance
def test_mixed_data_types_give_the_wider_one(distance, x, y):
    assert distance.distance_matrix(x.half(), y.float()).dtype == torch.float32


@each_distance
def test_half_precision_is_computed_in_float32(distance, x):
    half = x.half()
    expected = distance.distance_matrix(half.float()).half()
    assert torch.equal(distance.distance_matrix(half), expected)


@each_distance
def test_autocast_does_not_make_distances_coarse(distance, x, y):
    x, y = x.float(), y.float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        matrix = distance.distance_matrix(x, y)
    assert torch.equal(matrix, distance.distance_matrix(x, y))


def test_large_half_precision_vectors_have_a_direction():
    x = torch.full((1, 4), 60000.0, dtype=torch.float16)
    assert Cosine.similarity(x, x).item() == pytest.approx(1.0, abs=1e-3)


@each_distance
@pytest.mark.parametrize("form", ["distance", "similarity", "distance_matrix", "similarity_matrix"])
def test_gradients_are_right(distance, form, x):
    a, b = x[:4].requires_grad_(), x[10:14].clone().requires_grad_()
    assert torch.autograd.gradcheck(getattr(distance, form), (a, b))


@each_distance
@pytest.mark.parametrize("rows", [3, 40])  # cdist switches its algorithm at 25 rows
def test_gradients_are_finite_where_rows_are_equal(distance, rows):
    x = torch.ones(rows, 5, requires_grad=True)
    (distance.distance_matrix(x).sum() + distance.distance(x, x.detach()).sum()).backward()
    assert torch.isfinite(x.grad).all()


@each_distance
def test_gradients_are_finite_at_zero_vectors(distance):
    x = torch.zeros(4, 5, requires_grad=True)
    y = torch.ones(4, 5)
    (distance.similarity_matrix(x, y).sum() + distance.similarity(x, y).sum()).backward()
    assert torch.isfinite(x.grad).all()


def test_the_cosine_with_a_zero_vector_is_zero():
    assert Cosine.similarity_matrix(torch.zeros(1, 2), torch.ones(1, 2)).item() == 0.0


@each_distance
def test_no_rows_give_an_empty_matrix(distance):
    assert distance.distance_matrix(torch.ones(2, 3), torch.ones(0, 3)).shape == (2, 0)


@each_distance
def test_no_tensor_is_larger_than_operands_and_result(distance):
    """Manhattan distances took N² D numbers."""
    x = torch.randn(64, 32, requires_grad=True)
    with LargestTensor() as largest:
        distance.distance_matrix(x).sum().backward()
    assert largest.values == 64 * 64


@each_distance
@pytest.mark.parametrize(
    ("x", "y"),
    [((3, 4), (2, 4)), ((3, 4), (3, 5)), ((4,), (4,))],
    ids=["numbers of rows", "sizes", "no rows"],
)
def test_paired_forms_refuse_shapes_that_differ(distance, x, y):
    for form in (distance.distance, distance.similarity):
        with pytest.raises(ValueError, match="the same shape"):
            form(torch.ones(x), torch.ones(y))


@each_distance
@pytest.mark.parametrize(("x", "y"), [((3, 4), (3, 5)), ((4,), (4,)), ((2, 3, 4), (3, 4))])
def test_matrix_forms_refuse_shapes_that_do_not_fit(distance, x, y):
    for form in (distance.distance_matrix, distance.similarity_matrix):
        with pytest.raises(ValueError, match=r"shapes \(A, D\) and \(B, D\), got"):
            form(torch.ones(x), torch.ones(y))


@pytest.mark.parametrize(
    ("name", "distance"),
    [
        ("cosine", Cosine),
        ("dot_product", DotProduct),
        ("euclidean", Euclidean),
        ("manhattan", Manhattan),
    ],
)
def test_distances_are_found_by_name(name, distance):
    assert isinstance(Distance.get_by_name(name), distance)
    assert isinstance(Distance.get_by_name(Distance(name)), BaseDistance)


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match="no distance 'cosin'.*'cosine'"):
        Distance.get_by_name("cosin")


def test_settings_for_a_cosine_on_zero_to_one_are_converted_as_documented(x, y):
    """The matrix forms of Quaterion 0.1 had similarity (cos + 1)/2 and distance (1 - cos)/2."""
    old_distance = torch.as_tensor(SKLEARN[Cosine](x.numpy(), y.numpy())) / 2
    distance, similarity = Cosine.distance_matrix(x, y), Cosine.similarity_matrix(x, y)
    margin, scale = 0.3, 20.0
    # A margin above distances: 2m instead of m, at twice the loss.
    torch.testing.assert_close((2 * margin - distance).relu(), 2 * (margin - old_distance).relu())
    # A margin of a ratio of distances stays.
    torch.testing.assert_close(distance / distance.mean(), old_distance / old_distance.mean())
    # A scale in a softmax: s/2 instead of s.
    torch.testing.assert_close(
        (scale / 2 * similarity).softmax(dim=1), (scale * (1 - old_distance)).softmax(dim=1)
    )
