"""Evaluations have intervals, slices and TREC files; two models are compared query by query."""

import json

import ir_measures
import pytest
import torch
from click.testing import CliRunner

from quaterion_core import SimilarityModel, compare_models, evaluate_recipe, fit_recipe
from quaterion_core.cli import main
from quaterion_core.encoders import Encoder
from quaterion_core.eval import RetrievalMetric
from quaterion_core.eval.ranking import Needs
from quaterion_core.heads import EmptyHead
from quaterion_core.plugins import register_encoder, register_metric


@register_encoder("points-of-a-circle")
class PointsOfACircle(Encoder):
    """Places a text such as ``a 12`` on a circle, at an angle that its number tells."""

    trainable, embedding_size = False, 2

    def __init__(self, noise=0.0):
        super().__init__()
        self.noise = noise

    def get_collate_fn(self):
        return list

    def forward(self, texts):
        angles = torch.tensor([float(text.split()[1]) for text in texts]) / 20
        angles += torch.tensor([self.noise * (hash_of(text) - 0.5) for text in texts])
        return torch.stack([angles.cos(), angles.sin()], dim=1)

    def get_config_dict(self):
        return {"noise": self.noise}


@register_metric("mean-rank")
class MeanRank(RetrievalMetric):
    """Mean rank of the nearest relevant object."""

    higher_is_better = False
    needs = Needs(first_rank=True)

    def ranking_values(self, ranking):
        return ranking.first_rank.float()


def hash_of(text):
    return (sum(ord(letter) * 7919**place for place, letter in enumerate(text)) % 1009) / 1009


RECIPE = """
data: {name: jsonl, files: {train: data.jsonl, validation: data.jsonl}, obj_a: q, obj_b: d}
encoder: {name: local/points-of-a-circle, noise: NOISE}
head: skip-connection
loss: multiple-negatives-ranking
metrics: [{name: hit-rate, k: 1}, mrr, {name: ndcg, k: 5}]
epochs: 1
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Two models of the same data: one that is nearly perfect, and one that is noisy."""
    folder = tmp_path_factory.mktemp("models")
    rows = [
        {"q": f"question {n}", "d": f"answer {n}", "kind": "even" if n % 2 == 0 else "odd"}
        for n in range(60)
    ]
    (folder / "data.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for name, noise in (("good", "0.01"), ("noisy", "0.3")):
        model = SimilarityModel(PointsOfACircle(float(noise)), EmptyHead(2))
        recipe = RECIPE.replace("NOISE", noise).replace("data.jsonl", str(folder / "data.jsonl"))
        model.save(folder / name, notes={"recipe.yaml": recipe})
    return folder


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_an_evaluation_has_intervals_and_rows(models):
    result = evaluate_recipe(models / "noisy")
    assert result.queries == 60
    for name, value in result.metrics.items():
        low, high = result.intervals[name]
        assert low < value < high
        assert high - low < 0.3
    assert [row["metric"] for row in result.rows()] == list(result.metrics)
    assert json.loads(json.dumps(result.to_dict()))["intervals"].keys() == result.metrics.keys()


def test_the_command_prints_intervals(models):
    result = run("evaluate", models / "noisy")
    assert result.exit_code == 0, result.output
    line = next(line for line in result.output.splitlines() if line.startswith("hit_rate@1"))
    value, low, to, high, queries = line.split()[1:]
    assert float(low) < float(value) < float(high)
    assert (to, queries) == ("to", "60")


def test_slices_are_parts_of_the_queries(models):
    result = evaluate_recipe(models / "noisy", slices=["kind", "length"])
    by_kind = [part for part in result.slices if part.by == "kind"]
    assert sorted(part.value for part in by_kind) == ["even", "odd"]
    assert [part.queries for part in by_kind] == [30, 30]
    mean = sum(part.metrics["mrr"] for part in by_kind) / 2
    assert mean == pytest.approx(result.metrics["mrr"], abs=1e-5)
    assert [part.value for part in result.slices if part.by == "length"] == ["2 words"]
    printed = run("evaluate", models / "noisy", "--slice", "kind").output
    assert "kind" in printed
    assert "odd" in printed


@pytest.mark.parametrize(
    ("by", "message"),
    [("seen", "Expected samples with a group or a subgroup"), ("colour", "colour")],
)
def test_slices_that_the_data_do_not_have_are_refused(models, by, message):
    with pytest.raises((ValueError, KeyError), match=message):
        evaluate_recipe(models / "noisy", slices=[by])


def test_groups_are_sliced_by_what_training_has_seen(folder):
    fit_recipe(folder / "recipe.yaml", folder / "model", write=lambda _: None)
    rows = ["text,label", *(f"{text},{text[-1]}" for text in ("pin a", "fee a", "card b", "c b"))]
    rows += ["lost card,card", "card stolen,card", "new pin,pin", "wrong pin,pin"]
    (folder / "new.csv").write_text("\n".join(rows))
    result = evaluate_recipe(folder / "model", data=folder / "new.csv", slices=["seen", "group"])
    seen = {part.value: part.queries for part in result.slices if part.by == "seen"}
    assert seen == {"seen": 4, "unseen": 4}
    groups = {part.value: part for part in result.slices if part.by == "group"}
    assert groups.keys() == {"a", "b", "card", "pin"}


def test_slices_of_one_group_have_intervals_over_its_queries(models, tmp_path):
    rows = [{"text": f"text {n}", "kind": "abc"[n % 3]} for n in range(60)]
    (tmp_path / "groups.jsonl").write_text("\n".join(map(json.dumps, rows)))
    result = evaluate_recipe(
        models / "noisy", data=tmp_path / "groups.jsonl", metrics=["knn-accuracy"],
        columns={"obj": "text", "group": "kind"}, slices=["group"],
    )  # fmt: skip
    for part in result.slices:
        low, high = part.intervals["knn_accuracy"]
        assert low < part.metrics["knn_accuracy"] < high


def test_a_run_file_has_the_same_figures_for_trec_eval(models, tmp_path):
    files = "--run", tmp_path / "run.txt", "--qrels", tmp_path / "qrels.txt"
    result = run("evaluate", models / "noisy", "--json", *files)
    assert result.exit_code == 0, result.output
    metrics = json.loads(result.output)["metrics"]
    measures = {"hit_rate@1": "Success@1", "mrr": "RR", "ndcg@5": "nDCG@5"}
    found = ir_measures.calc_aggregate(
        [ir_measures.parse_measure(measure) for measure in measures.values()],
        list(ir_measures.read_trec_qrels(str(tmp_path / "qrels.txt"))),
        list(ir_measures.read_trec_run(str(tmp_path / "run.txt"))),
    )
    for name, measure in measures.items():
        assert found[ir_measures.parse_measure(measure)] == pytest.approx(metrics[name], abs=1e-6)


def test_a_file_that_cannot_be_written_is_told_before_the_model_is_loaded(models, tmp_path):
    result = run("evaluate", models / "noisy", "--run", tmp_path / "no" / "run.txt")
    assert result.exit_code == 1
    assert "there is no folder" in result.output


@pytest.fixture
def beir(tmp_path):
    """A folder with graded judgements, and documents that none of them names."""
    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True)
    documents = [{"_id": f"d{n}", "title": "", "text": f"document {n}"} for n in range(30)]
    queries = [{"_id": f"q{n}", "text": f"query {3 * n}"} for n in range(5)]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, documents)))
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    lines = ["query-id\tcorpus-id\tscore"]
    for n in range(4):  # the last query has no judgement
        lines += [f"q{n}\td{3 * n + 1}\t2", f"q{n}\td{3 * n}\t1", f"q{n}\td{3 * n + 2}\t0"]
    (folder / "qrels" / "test.tsv").write_text("\n".join(lines))
    return folder


def test_a_folder_with_judgements_is_evaluated_like_by_trec_eval(models, beir, tmp_path):
    files = "--run", tmp_path / "run.txt"
    metrics = "--metric", "{name: ndcg, k: 5}", "--metric", "{name: recall, k: 3}"
    result = run("evaluate", models / "noisy", beir, *metrics, "--json", *files)
    assert result.exit_code == 0, result.output
    report = json.loads(result.output)
    assert report["queries"] == 4
    qrels = {f"q{n}": {f"d{3 * n + 1}": 2, f"d{3 * n}": 1, f"d{3 * n + 2}": 0} for n in range(4)}
    measures = {"ndcg@5": ir_measures.parse_measure("nDCG@5"), "recall@3": ir_measures.R @ 3}
    trec_run = list(ir_measures.read_trec_run(str(tmp_path / "run.txt")))
    assert len({line.doc_id for line in trec_run}) == 30
    found = ir_measures.calc_aggregate(list(measures.values()), qrels, trec_run)
    for name, measure in measures.items():
        assert report["metrics"][name] == pytest.approx(found[measure], abs=1e-6)


def test_a_folder_with_judgements_needs_no_recipe(models, beir, tmp_path):
    SimilarityModel(PointsOfACircle(), EmptyHead(2)).save(tmp_path / "bare")
    result = run("evaluate", tmp_path / "bare", beir, "--json")
    assert result.exit_code == 0, result.output
    assert list(json.loads(result.output)["metrics"]) == ["ndcg@10", "recall@100"]


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("qrels/test.tsv", "q0\td1", "line 1: expected query, document and score, got 2 columns"),
        (
            "qrels/test.tsv",
            "q0\td1\tmuch",
            "line 1: expected a finite number as the score, got 'much'",
        ),
        ("qrels/test.tsv", "q0\td99\t1", "line 1: corpus.jsonl has no document 'd99'"),
        ("qrels/test.tsv", "q9 0 d1 1", "line 1: queries.jsonl has no query 'q9'"),
        (
            "qrels/test.tsv",
            "q0\td1\tnan",
            "a finite number as the score, got 'nan'",
        ),
        (
            "qrels/test.tsv",
            "q0\td1\tinf",
            "a finite number as the score, got 'inf'",
        ),
        ("qrels/test.tsv", "q0\td1\t0\nq1\td1\t-1", "Expected a score above 0 in"),
        ("qrels/test.tsv", "q0\td1\t1\nq0\td1\t2", "the score of 'd1' for 'q0' is 2 here"),
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore", "has no judgements"),
        (
            "corpus.jsonl",
            '{"_id": 1, "text": ""}\n{"_id": "1", "text": ""}',
            "the id '1' is",
        ),
        ("corpus.jsonl", '{"_id": "d1", "text": null}', "line 1: expected an object with _id and"),
        ("corpus.jsonl", '{"_id": "d1"}', "line 1: expected an object with _id and text"),
        ("queries.jsonl", "{", "line 1: expected an object with _id and text"),
    ],
    ids=[
        "columns",
        "score",
        "document",
        "query",
        "NaN",
        "infinite",
        "none above 0",
        "contradiction",
        "no judgement",
        "repeated id",
        "null",
        "no text",
        "no JSON",
    ],
)
def test_faulty_folders_are_refused_with_the_line(models, beir, file, text, message):
    (beir / file).write_text(text)
    result = run("evaluate", models / "good", beir)
    assert result.exit_code == 1
    assert message in " ".join(result.output.split())


def test_all_faults_of_a_folder_are_told_at_once(models, beir):
    (beir / "qrels" / "test.tsv").write_text("q0\td99\tmuch\n" + "q77\td88\t1\n" * 9)
    (beir / "queries.jsonl").write_bytes('{"_id": "q0", "text": "é"}'.encode("latin-1"))
    output = run("evaluate", models / "good", beir).output
    assert "expected text in UTF-8" in output
    assert "line 1: expected a finite number as the score, got 'much'" in output
    assert "line 2: queries.jsonl has no query 'q77'" in output
    assert "line 2: corpus.jsonl has no document 'd88'" in output
    assert "And 10 more." in output


def test_figures_are_printed_before_a_file_that_cannot_hold_the_ids(models, beir, tmp_path):
    text = (beir / "corpus.jsonl").read_text()
    (beir / "corpus.jsonl").write_text(text.replace('"d29"', '"d 29"'))
    result = run("evaluate", models / "good", beir, "--run", tmp_path / "run.txt")
    assert result.exit_code == 1
    assert "hit_rate@1" in result.output
    assert "ids without white space, which separates the columns of TREC files, got 'd 29'" in (
        result.output
    )


def test_the_recipe_may_be_that_of_the_second_model(models, tmp_path):
    model = SimilarityModel(PointsOfACircle(0.3), EmptyHead(2))
    model.save(tmp_path / "bare")
    comparison = compare_models(tmp_path / "bare", models / "good")
    assert comparison.metrics[0].difference > 0
    assert compare_models(model, models / "good").metrics == comparison.metrics


def test_lower_values_win_where_they_are_better(models):
    metrics = [{"name": "mean-rank"}]
    comparison = compare_models(models / "noisy", models / "good", metrics=metrics)
    (metric,) = comparison.metrics
    assert metric.difference < 0
    assert metric.wins > metric.losses
    assert not metric.is_worse
    assert comparison.rows()[0]["higher_is_better"] is False
    assert all(change.b < change.a for change in comparison.changed)
    assert compare_models(models / "good", models / "noisy", metrics=metrics).worse == ["mean_rank"]


def test_a_folder_without_judgements_is_refused(models, beir, tmp_path):
    (beir / "qrels" / "test.tsv").unlink()
    assert "has no judgements" in run("evaluate", models / "good", beir).output
    result = run("evaluate", models / "good", tmp_path)
    assert "a folder with corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv" in " ".join(
        result.output.split()
    )


def test_a_better_model_is_told_from_a_worse_one(models):
    comparison = compare_models(models / "noisy", models / "good")
    first = comparison.metrics[0]
    assert (first.metric, comparison.queries) == ("hit_rate@1", 60)
    assert first.difference == pytest.approx(first.b - first.a, abs=1e-5)
    assert first.wins + first.losses + first.ties == 60
    assert first.wins - first.losses == round(60 * first.difference)
    assert first.interval.low > 0
    assert first.p_value < 0.05
    assert comparison.worse == []
    assert all(change.b > change.a for change in comparison.changed)
    assert comparison.changed[0].query.startswith("question")
    reverse = compare_models(models / "good", models / "noisy")
    assert reverse.worse == ["hit_rate@1", "mrr", "ndcg@5"]
    assert reverse.metrics[0].losses == first.wins


def test_a_model_is_the_same_as_itself(models):
    comparison = compare_models(models / "good", models / "good")
    for metric in comparison.metrics:
        assert (metric.difference, metric.p_value, metric.ties) == (0, 1, 60)
    assert comparison.changed == []


def test_correlations_are_compared_by_resampling_pairs(models, tmp_path):
    rows = [{"q": f"q {n}", "d": f"d {n + n % 7}", "score": -(n % 7)} for n in range(40)]
    (tmp_path / "scored.jsonl").write_text("\n".join(map(json.dumps, rows)))
    columns = {"obj_a": "q", "obj_b": "d", "score": "score"}
    given = {"data": tmp_path / "scored.jsonl", "columns": columns, "metrics": ["spearman"]}
    comparison = compare_models(models / "noisy", models / "good", **given)
    (metric,) = comparison.metrics
    assert metric.p_value < 0.05
    assert metric.wins is None
    assert metric.interval.low < metric.difference < metric.interval.high
    assert metric.is_significant
    low, high = evaluate_recipe(models / "noisy", **given).intervals["spearman"]
    assert low < metric.a < high


def test_the_command_fails_if_the_second_model_is_worse(models):
    better = run("compare", models / "noisy", models / "good", "--fail-if-worse")
    assert better.exit_code == 0, better.output
    assert "Largest changes of hit_rate@1" in better.output
    worse = run("compare", models / "good", models / "noisy", "--fail-if-worse")
    assert worse.exit_code == 1
    assert "B is significantly worse in hit_rate@1, mrr, ndcg@5." in worse.output
    assert run("compare", models / "good", models / "noisy").exit_code == 0


def test_the_comparison_is_json(models):
    result = run("compare", models / "noisy", models / "good", "--json", "--changed", 2)
    report = json.loads(result.output)
    assert len(report["changed"]) == 2
    assert report["metrics"][0]["metric"] == "hit_rate@1"


def test_a_model_is_compared_with_its_untouched_encoder(models):
    comparison = compare_models("untouched", models / "good")
    assert [metric.difference for metric in comparison.metrics] == [0, 0, 0]
    with pytest.raises(ValueError, match="at least one model besides 'untouched'"):
        compare_models("untouched", "untouched")


def test_a_model_that_is_not_there_is_named(models):
    result = run("compare", models / "good", models / "absent")
    assert result.exit_code == 1
    assert "no such file or directory" in result.output
