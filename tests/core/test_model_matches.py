"""Matches of a model: calibration with samples, in a saved model and in an index."""

import numpy as np
import pytest
from click.testing import CliRunner

from quaterion_core import SimilarityModel
from quaterion_core.cli import main
from quaterion_core.dataset import SimilarityGroupSample, SimilarityPairSample
from quaterion_core.heads import EmptyHead
from quaterion_core.matches import MatchRule
from quaterion_core.model_folder import save_calibration
from quaterion_core.serving import Index
from quaterion_core.storage import InvalidFolderError


@pytest.fixture
def model(angles):
    return SimilarityModel(angles(), EmptyHead(2))


def cosine(degrees):
    return float(np.cos(np.deg2rad(degrees)))


def test_given_pairs_are_taken_as_they_are(model):
    pairs = [SimilarityPairSample("0", str(d), 1.0) for d in (1, 2, 3, 3)]  # the last one twice
    pairs += [SimilarityPairSample("0", str(d), 0.0) for d in (60, 70)]
    calibration = model.calibrate(pairs)
    assert calibration.matches == pytest.approx([cosine(3), cosine(2), cosine(1)], abs=1e-6)
    assert calibration.others == pytest.approx([cosine(70), cosine(60)], abs=1e-6)
    assert model.matches is calibration


def test_pairs_that_match_are_searched_for_what_does_not(model):
    pairs = [SimilarityPairSample(a, b) for a, b in [("0", "5"), ("50", "52"), ("1", "5")]]
    calibration = model.calibrate(pairs)
    # 0 and 1 both belong to 5; of 52, the nearest wrong one is 5, and of 0 and 1 it is 52.
    assert calibration.matches == pytest.approx([cosine(5), cosine(4), cosine(2)], abs=1e-6)
    assert calibration.others == pytest.approx([cosine(52), cosine(51), cosine(45)], abs=1e-6)


def test_groups_find_each_other(model):
    samples = [SimilarityGroupSample(str(d), d // 30) for d in (1, 3, 31, 34)]
    calibration = model.calibrate(samples)
    assert calibration.matches == pytest.approx([cosine(d) for d in (3, 3, 2, 2)], abs=1e-6)
    assert calibration.others == pytest.approx([cosine(d) for d in (31, 30, 28, 28)], abs=1e-6)


def test_groups_find_a_reference(model):
    samples = [SimilarityGroupSample("2", "a")]
    reference = [SimilarityGroupSample(str(d), group) for d, group in [(5, "a"), (40, "b")]]
    calibration = model.calibrate(samples, reference=reference)
    assert calibration.matches == pytest.approx([cosine(3)], abs=1e-6)
    assert calibration.others == pytest.approx([cosine(38)], abs=1e-6)


def test_other_similarities_and_tables(model):
    rows = [{"q": "0", "a": "0"}, {"q": "90", "a": "90"}]
    calibration = model.calibrate(rows, obj_a="q", obj_b="a", distance="euclidean", dim=1)
    assert (calibration.distance, calibration.dim) == ("euclidean", 1)
    assert calibration.matches == (1.0, 1.0)  # 1 / (1 + distance)
    assert calibration.others == (0.5, 0.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"samples": []}, "samples"),
        ({"samples": [SimilarityPairSample("0", "1")]}, "nothing to calibrate with"),
        ({"samples": [SimilarityGroupSample("0", 1)] * 2}, "nothing to calibrate with"),
        ({"dim": 3}, "between 1 and the embedding size 2, got 3"),
        ({"distance": "angle"}, "no distance 'angle'"),
        ({"method": "platt"}, "'auto', 'isotonic' or 'logistic'"),
    ],
    ids=str,
)
def test_what_cannot_be_calibrated_is_refused(model, arguments, message):
    samples = [SimilarityPairSample("0", "1"), SimilarityPairSample("50", "60")]
    with pytest.raises(ValueError, match=message):
        model.calibrate(**{"samples": samples, **arguments})
    assert model.matches is None


QUERIES = ("0", "50", "100", "150", "200", "250")


@pytest.fixture
def saved(model, tmp_path):
    """The folder of a model that is calibrated with six pairs."""
    model.calibrate([SimilarityPairSample(query, str(int(query) + 4)) for query in QUERIES])
    model.save(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def index(saved, tmp_path):
    with Index.create(tmp_path / "index", saved) as created:
        created.add(["0", "20", "100"])
        yield created


def test_calibration_is_saved_with_the_model(saved, model):
    assert SimilarityModel.load(saved).matches == model.matches


def test_calibration_is_no_part_of_what_an_index_knows_its_model_by(saved, tmp_path):
    Index.create(tmp_path / "index", saved).close()
    model = SimilarityModel.load(saved)
    calibration = model.calibrate([SimilarityPairSample(q, str(int(q) + 1)) for q in QUERIES])
    save_calibration(saved, calibration)
    with Index.open(tmp_path / "index", saved) as index:
        assert index.model.matches == calibration


def test_other_files_in_its_folder_are_refused(saved):
    (saved / "matches" / "more.json").write_text("{}")
    with pytest.raises(InvalidFolderError):
        SimilarityModel.load(saved)


def test_hits_have_probabilities(index, model):
    hits = index.search("1", 3)
    assert [hit.object for hit in hits] == ["0", "20", "100"]
    expected = model.matches.probability([cosine(1), cosine(19), cosine(99)])
    assert [hit.probability for hit in hits] == pytest.approx(expected.tolist(), abs=1e-5)
    assert hits[0].to_dict()["probability"] == hits[0].probability


def test_a_rule_leaves_matches_only(index):
    assert [hit.object for hit in index.search("1", 3, rule=MatchRule(miss_rate=0.2))] == ["0"]
    assert index.search("170", 3, rule=MatchRule(false_match_rate=0.2)) == []
    with pytest.raises(ValueError, match="needs at least 99 matches"):
        index.search("1", rule=MatchRule(miss_rate=0.01))
    with pytest.raises(ValueError, match="either lexical or a rule"):
        index.search("1", lexical=True, rule=MatchRule(miss_rate=0.2))


@pytest.mark.parametrize("settings", [{"dim": 1}, {"distance": "euclidean"}], ids=str)
def test_similarities_of_another_kind_have_no_probability(saved, tmp_path, settings):
    with Index.create(tmp_path / "other", saved, **settings) as index:
        index.add(["0", "20"])
        assert index.search("1", 1)[0].probability is None
        with pytest.raises(ValueError, match="not calibrated for the distance"):
            index.search("1", rule=MatchRule(min_probability=0.5))


def test_search_command_answers_no_match(index, tmp_path):
    folder = str(tmp_path / "index")
    result = CliRunner().invoke(main, ["search", folder, "170", "1", "--false-match-rate", "0.2"])
    assert "\n170\n  no match\n\n1\n  1.000" in result.output
    assert "%" in result.output
    both = ["search", folder, "1", "--miss-rate", "0.2", "--min-probability", "0.5"]
    result = CliRunner().invoke(main, both)
    assert result.exit_code == 1
    assert "got min_probability and miss_rate" in result.output
