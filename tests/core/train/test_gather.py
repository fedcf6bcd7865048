import json
from pathlib import Path

import pytest
import torch

from quaterion_core.plugins import registry
from quaterion_core.train.gather import gather_batch

SCRIPTS = Path(__file__).parent
LOSSES = [record.id for record in registry.components("loss")]


@pytest.fixture(scope="module")
def train(start_script):
    """Return a function that trains in some processes, which torchrun or Lightning starts."""

    def train(folder, settings, *, ranks=()):
        folder.mkdir()
        running = [
            start_script(SCRIPTS / "train_in_processes.py", json.dumps(settings), folder, **rank)
            for rank in ranks or [{}]
        ]
        for script in running:
            result = script.wait()
            assert result.returncode == 0, result.stderr[-3000:]
        return [torch.load(file) for file in sorted(folder.glob("rank*.pt"))]

    return train


@pytest.fixture(scope="module", params=["8,4", "5,4,3"], ids=["two", "three"])
def differences(request, tmp_path_factory, run_script):
    rendezvous = tmp_path_factory.mktemp("processes") / "rendezvous"
    result = run_script(SCRIPTS / "gradients_of_processes.py", rendezvous, request.param)
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout.splitlines()[-1])


@pytest.mark.parametrize("loss", LOSSES)
def test_processes_give_the_gradient_of_one_with_the_whole_batch(differences, loss):
    assert differences["gradient"][loss] < 1e-4


@pytest.mark.parametrize("loss", LOSSES)
def test_gradient_caching_in_processes_gives_that_gradient_too(differences, loss):
    assert differences["chunked"][loss] < 1e-4


@pytest.mark.parametrize("loss", LOSSES)
def test_positives_shared_across_processes_are_known_as_in_one_process(differences, loss):
    assert differences["shared"][loss] < 1e-4


@pytest.mark.parametrize("loss", LOSSES)
def test_processes_remember_the_whole_batch(differences, loss):
    assert differences["memory"][loss] < 1e-5


def test_metrics_of_processes_are_put_together_and_not_averaged(differences):
    assert differences["metric"] < 1e-6


PAIRS = {"pairs": True, "cache": True, "loss": {"name": "multiple-negatives-ranking"}}
GROUPS = {
    "pairs": False,
    "cache": False,
    "loss": {"name": "arcface", "embedding_size": 5, "num_groups": 6},
    "xbm": {"buffer_size": 20, "start_iteration": 2},
    "batch_sampler": {"name": "groups", "samples_per_group": 3},
    "grad_cache_chunk": 2,
}


@pytest.fixture(scope="module", params=[PAIRS, GROUPS], ids=["cached pairs", "groups"])
def settings(request):
    return request.param


@pytest.fixture(scope="module")
def alone(settings, train, tmp_path_factory):
    """Folder and result of a training run in one process."""
    folder = tmp_path_factory.mktemp("alone") / "1"
    (result,) = train(folder, {**settings, "processes": 1})
    assert len(result["losses"]) == 12
    return folder, result


def test_a_run_in_processes_equals_one_in_a_single_process(
    tmp_path, settings, alone, train, torchrun
):
    """The same shuffling, every sample once, and the last batch shared, too."""
    folder, expected = alone
    folders = [folder, tmp_path / "2", tmp_path / "3"]
    runs = [
        train(folders[1], {**settings, "processes": 2}),  # started by Lightning
        train(folders[2], {**settings, "processes": 3}, ranks=torchrun(3)),
    ]
    if settings["cache"]:  # each object is embedded once, by one of the processes
        assert [(f / "embedded.txt").read_text() for f in folders] == ["x" * 54] * 3
    assert [len(ranks) for ranks in runs] == [2, 3]
    expected = dict(expected)
    memory = expected.pop("memory", None)
    for ranks in runs:
        for result in ranks:
            if memory is not None:
                ours = result.pop("memory")
                assert torch.equal(ours, ranks[0].get("memory", ours))
                torch.testing.assert_close(*(m[m[:, 0].argsort()] for m in (ours, memory)))
            torch.testing.assert_close(result, expected)


def test_spawned_processes_return_what_one_learns(tmp_path, settings, alone, train):
    """Losses and the memory stay in the processes, which have ended."""
    results = [
        alone[1],
        *train(tmp_path / "2", {**settings, "strategy": "ddp_spawn", "processes": 2}),
    ]
    learned = ({k: v for k, v in r.items() if k not in ("losses", "memory")} for r in results)
    torch.testing.assert_close(*learned)


def test_processes_agree_on_the_end_of_iterable_data(tmp_path, start_script, torchrun):
    """The second one has 25 samples, the first one 14: five batches of three each."""
    settings = json.dumps({**PAIRS, "cache": False, "stream": True, "processes": 2})
    script = SCRIPTS / "train_in_processes.py"
    running = [start_script(script, settings, tmp_path, **rank) for rank in torchrun(2)]
    results = [process.wait() for process in running]
    assert [result.returncode for result in results] == [0, 0], results[0].stderr[-3000:]
    losses = [torch.load(tmp_path / f"rank{rank}.pt")["losses"] for rank in range(2)]
    assert len(losses[0]) == 4 * 5
    torch.testing.assert_close(*losses)
    stderr = "".join(result.stderr for result in results)
    assert stderr.count("ended after 5 batches, while those of 1 had more") == 1


def test_processes_resume_from_a_checkpoint_with_the_same_losses(tmp_path, train, torchrun):
    """With dropout, which every process draws for itself, and over a cache."""
    settings = {**PAIRS, "dropout": 0.5, "processes": 2}
    whole = train(tmp_path / "whole", settings, ranks=torchrun(2))[1]
    resuming = {**settings, "checkpoint": str(tmp_path / "whole/step=5.ckpt")}
    resumed = train(tmp_path / "resumed", resuming, ranks=torchrun(2))[1]
    whole["losses"] = whole["losses"][5:]
    torch.testing.assert_close(resumed, whole)


def test_one_process_gets_its_own_batch_back():
    embeddings, targets = torch.ones(2, 3), {"groups": torch.tensor([1, 2])}
    assert gather_batch(embeddings, targets) == (embeddings, targets)
