"""Tests that names of metrics contain the arguments that distinguish them."""

import pytest

from quaterion_core.eval import AttachedMetric, KNNAccuracy, RecallAtK, RetrievalPrecision
from quaterion_core.eval.metric_choices import attached_metrics


def names(*choices):
    return [attached.name for attached in attached_metrics(choices)]


def test_every_argument_that_changes_the_value_is_in_the_name():
    assert names(
        "recall-at-k",
        {"name": "quaterion-cv/recall-at-k", "k": 10},
        {"name": "recall-at-k", "k": 10, "distance_metric_name": "euclidean"},
        {"name": "one-shot-accuracy", "ways": 5},
        {"name": "one-shot-accuracy", "ways": 7},
        "one-shot-accuracy",
        {"name": "tar-at-far", "far": 0.01},
        {"name": "tar-at-far", "far": 0.1},
        {"name": "knn-accuracy", "k": 5, "temperature": 0.05},
        {"name": "knn-accuracy", "k": 5},
    ) == [
        "recall_at_k",
        "recall_at_k@10",
        "recall_at_k@10_euclidean",
        "one_shot_accuracy_ways_5",
        "one_shot_accuracy_ways_7",
        "one_shot_accuracy",
        "tar_at_far_far_0.01",
        "tar_at_far_far_0.1",
        "knn_accuracy@5_temperature_0.05",
        "knn_accuracy@5",
    ]


def test_what_is_the_default_anyway_is_no_other_name():
    assert names({"name": "one-shot-accuracy", "ways": 20}) == ["one_shot_accuracy"]
    assert names({"name": "map-at-r", "distance_metric_name": "cosine"}) == ["map_at_r"]


def test_metrics_that_are_built_already_are_named_in_the_same_way():
    built = [RecallAtK(), RecallAtK(10), RecallAtK(10, "euclidean"), KNNAccuracy(3, 0.07)]
    assert names(*built) == [
        "RecallAtK", "RecallAtK@10", "RecallAtK@10_euclidean", "KNNAccuracy@3_temperature_0.07",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("first", "second", "shown"),
    [
        ("map-at-r", {"name": "quaterion-core/map-at-r"}, r"'map-at-r' and \{'name': 'quat"),
        ({"name": "recall-at-k", "k": 2}, {"k": 2, "name": "recall-at-k"}, r"\{.*\} and \{.*\}"),
        (RecallAtK(3), RecallAtK(3), r"RecallAtK\(k=3\) and RecallAtK\(k=3\)"),
        (AttachedMetric("RecallAtK", RetrievalPrecision(2)), RecallAtK(),
         r"the attached RetrievalPrecision\(k=2\) and RecallAtK\(\)"),
    ],
)  # fmt: skip
def test_a_clash_names_both(first, second, shown):
    with pytest.raises(ValueError, match=f"Two metrics are named .*: {shown}"):
        attached_metrics([first, second])


def test_names_of_a_mapping_are_kept():
    chosen = attached_metrics({"mine": {"name": "recall-at-k", "k": 2}, "other": "recall-at-k"})
    assert [attached.name for attached in chosen] == ["mine", "other"]
