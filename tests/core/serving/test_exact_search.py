import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from quaterion_core import SimilarityModel
from quaterion_core.heads import EmptyHead
from quaterion_core.serving import ExactSearch


@pytest.fixture
def model(vector_encoder):
    return SimilarityModel(vector_encoder(3, 4), EmptyHead(4))


def test_what_is_found_is_what_scikit_learn_finds(model):
    objects = np.random.default_rng(0).normal(size=(50, 3)).tolist()
    reference = NearestNeighbors(n_neighbors=7, metric="cosine").fit(model.encode(objects))
    distances, positions = reference.kneighbors(model.encode([[0.1, 0.2, 0.3]]))
    found = ExactSearch(model, objects).search([0.1, 0.2, 0.3], top=7)
    assert [result.position for result in found] == positions[0].tolist()
    assert [result.object for result in found] == [objects[p] for p in positions[0]]
    np.testing.assert_allclose([1 - result.score for result in found], distances[0], atol=1e-6)


def test_there_are_at_most_as_many_results_as_objects(model):
    index = ExactSearch(model, [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    assert len(index) == 2
    assert len(index.search([1.0, 1.0, 0.0], top=10)) == 2


def test_nothing_to_search_in_is_an_error(model):
    with pytest.raises(ValueError, match="nothing to search in"):
        ExactSearch(model, [])


def test_equal_objects_are_one_document(model):
    first, second = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]
    index = ExactSearch(model, [second, first, list(first), list(second), first])
    found = index.search([1.0, 0.1, 0.0], top=10)
    assert len(index) == 2
    assert sorted(result.position for result in found) == [0, 1]
    assert [result.object for result in found] == [[second, first][r.position] for r in found]
