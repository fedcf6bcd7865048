"""Probabilities and thresholds of matches."""

import json

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from quaterion_core.distances import Distance
from quaterion_core.matches import MatchCalibration, MatchRule
from quaterion_core.matches.fitting import fitted_calibration
from quaterion_core.matches.match_calibration import LogisticCurve
from quaterion_core.storage import InvalidFolderError, open_saved_folder


def fitted(similarities, is_match, method="auto"):
    similarities, is_match = np.asarray(similarities, float), np.asarray(is_match, bool)
    return fitted_calibration(
        similarities, is_match, similarities[is_match], similarities[~is_match],
        distance=Distance.COSINE, dim=None, method=method,
    )  # fmt: skip


def drawn(count, seed=0):
    """Draw similarities whose probability of a match is their logistic function."""
    random = np.random.default_rng(seed)
    similarities = random.uniform(-1, 1, count)
    is_match = random.uniform(size=count) < 1 / (1 + np.exp(-(6 * similarities - 1)))
    return similarities, is_match


@pytest.mark.parametrize("method", ["isotonic", "logistic"])
def test_probabilities_are_those_that_the_data_were_drawn_from(method):
    calibration = fitted(*drawn(20_000), method)
    grid = np.linspace(-0.9, 0.9, 19)
    truth = 1 / (1 + np.exp(-(6 * grid - 1)))
    assert calibration.curve.method == method
    assert np.abs(calibration.probability(grid) - truth).max() < 0.05


def test_curves_are_those_of_scikit_learn():
    similarities, is_match = drawn(3000)
    grid = np.linspace(-1, 1, 41)
    isotonic = IsotonicRegression(out_of_bounds="clip").fit(similarities, is_match).predict(grid)
    inside = (isotonic > 0.01) & (isotonic < 0.99)
    found = fitted(similarities, is_match, "isotonic").probability(grid)
    assert found[inside] == pytest.approx(isotonic[inside])
    logistic = LogisticRegression(C=np.inf).fit(similarities[:, None], is_match)
    found = fitted(similarities, is_match, "logistic").probability(grid)
    assert found == pytest.approx(logistic.predict_proba(grid[:, None])[:, 1], abs=0.01)


def test_few_data_get_the_smoother_curve():
    assert fitted(*drawn(500)).curve.method == "logistic"
    assert fitted(*drawn(5000)).curve.method == "isotonic"


@pytest.mark.parametrize("method", ["isotonic", "logistic"])
def test_separable_data_are_not_certain(method):
    calibration = fitted([0.1, 0.2, 0.8, 0.9], [False, False, True, True], method)
    low, high = calibration.probability([-1.0, 1.0])
    assert 0 < low < 0.5 < high < 1


@pytest.mark.parametrize("is_match", [[True, True], [False, False]])
def test_data_of_one_kind_are_refused(is_match):
    with pytest.raises(ValueError, match="There is nothing to calibrate with"):
        fitted([0.1, 0.2], is_match)


def test_unknown_method_is_refused():
    with pytest.raises(ValueError, match="'auto', 'isotonic' or 'logistic', got 'platt'"):
        fitted([0.1, 0.9], [False, True], "platt")


def calibration_of(matches, others):
    curve = LogisticCurve(10.0, -5.0)
    return MatchCalibration(Distance.COSINE, None, curve, tuple(matches), tuple(others))


@pytest.mark.parametrize(
    ("rate", "rank"),
    [(0.1, 1), (0.19, 1), (0.2, 2), (0.5, 5)],  # of 9: the largest with rank / 10 <= rate
)
def test_thresholds_follow_from_ranks(rate, rank):
    values = [n / 10 for n in range(1, 10)]
    calibration = calibration_of(values, values)
    assert calibration.threshold(miss_rate=rate) == values[rank - 1]
    lowest = calibration.threshold(false_match_rate=rate)
    assert sum(value >= lowest for value in values) == rank - 1
    assert lowest > values[-rank]


@pytest.mark.parametrize("rate", [0.05, 0.12, 0.5])
def test_rates_hold_for_each_value_left_out(rate):
    # If all values are exchangeable, the new one is any of them with the same probability.
    values = np.sort(np.random.default_rng(1).normal(size=40))
    missed = false = 0
    for new in range(40):
        others = np.delete(values, new)
        calibration = calibration_of(others, others)
        missed += values[new] < calibration.threshold(miss_rate=rate)
        false += values[new] >= calibration.threshold(false_match_rate=rate)
    assert missed == false == int(rate * 40)


def test_rates_that_the_data_cannot_guarantee_are_refused():
    calibration = calibration_of([0.5] * 18, [0.1] * 19)
    assert calibration.threshold(false_match_rate=0.05) > 0.1
    with pytest.raises(ValueError, match="at least 19 matches in the calibration, which has 18"):
        calibration.threshold(miss_rate=0.05)
    with pytest.raises(ValueError, match="between 0 and 1, got 1"):
        calibration.threshold(miss_rate=1)
    with pytest.raises(ValueError, match="either miss_rate or false_match_rate"):
        calibration.threshold()


def test_rules_accept_from_their_threshold_on():
    calibration = calibration_of([0.5, 0.6, 0.7], [0.1, 0.2, 0.3])
    similarities = [0.25, 0.55, 0.75]
    accepted = {
        MatchRule(min_probability=0.6): [False, True, True],
        MatchRule(false_match_rate=0.5): [True, True, True],
        MatchRule(miss_rate=0.5): [False, False, True],
    }
    for rule, expected in accepted.items():
        assert rule.accepts(calibration, similarities).tolist() == expected


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({}, "got none"),
        ({"min_probability": 0.5, "miss_rate": 0.1}, "got min_probability and miss_rate"),
        ({"miss_rate": 1.5}, "miss_rate between 0 and 1, got 1.5"),
        ({"false_match_rate": float("nan")}, "false_match_rate between 0 and 1, got nan"),
    ],
)
def test_rules_state_one_thing(stated, message):
    with pytest.raises(ValueError, match=message):
        MatchRule(**stated)


@pytest.fixture
def saved(tmp_path):
    fitted(*drawn(2500), "isotonic").save(tmp_path)
    return tmp_path


def loaded(folder):
    with open_saved_folder(folder) as opened:
        return MatchCalibration.load(opened)


@pytest.mark.parametrize("method", ["isotonic", "logistic"])
def test_calibration_is_restored(method, tmp_path):
    calibration = fitted(*drawn(2500), method)
    calibration.save(tmp_path)
    assert loaded(tmp_path) == calibration


@pytest.mark.parametrize(
    "change",
    [
        {"distance": "angle"},
        {"dim": 0},
        {"dim": True},
        {"matches": []},
        {"matches": [0.5, 0.4]},
        {"others": [0.1] * 10_001},
        {"others": ["0.1"]},
        {"curve": {"method": "exec", "code": "1"}},
        {"curve": {"method": "logistic", "slope": -1.0, "intercept": 0.0}},
        {"curve": {"method": "isotonic", "similarities": [0.1, 0.2], "probabilities": [0.1]}},
        {"curve": {"method": "isotonic", "similarities": [0.1, 0.2], "probabilities": [0.9, 0.1]}},
        {"curve": {"method": "isotonic", "similarities": [0.1], "probabilities": [1.1]}},
        {"more": 1},
    ],
    ids=str,
)
def test_tampered_calibration_is_refused(saved, change):
    file = saved / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(InvalidFolderError, match=r"config\.json is no calibration of matches"):
        loaded(saved)
