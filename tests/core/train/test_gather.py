import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from quaterion_core.plugins import registry
from quaterion_core.train.gather import gather_batch

SCRIPTS = Path(__file__).parent
LOSSES = [record.id for record in registry.components("loss")]


def run(script, *arguments, whole=False):
    result = subprocess.run(
        [sys.executable, SCRIPTS / script, *arguments], capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return result if whole else result.stdout


@pytest.fixture(scope="module", params=["8,4", "5,4,3"], ids=["two", "three"])
def differences(request, tmp_path_factory):
    rendezvous = tmp_path_factory.mktemp("processes") / "rendezvous"
    return json.loads(run("gradients_of_processes.py", rendezvous, request.param).splitlines()[-1])


@pytest.mark.parametrize("loss", LOSSES)
def test_processes_give_the_gradient_of_one_with_the_whole_batch(differences, loss):
    assert differences["gradient"][loss] < 1e-4


@pytest.mark.parametrize("loss", LOSSES)
def test_gradient_caching_in_processes_gives_that_gradient_too(differences, loss):
    assert differences["chunked"][loss] < 1e-4


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


@pytest.mark.parametrize("settings", [PAIRS, GROUPS], ids=["cached pairs", "groups"])
def test_a_training_in_processes_is_that_in_one(tmp_path, settings):
    """Shuffled alike, every sample once, the last batch shared too."""
    results = {}
    for processes in (1, 2, 3):
        folder = tmp_path / str(processes)
        folder.mkdir()
        run("train_in_processes.py", json.dumps({**settings, "processes": processes}), folder)
        if settings["cache"]:  # each object once, in all
            assert (folder / "embedded.txt").read_text() == "x" * 54
        results[processes] = [torch.load(folder / f"rank{rank}.pt") for rank in range(processes)]
    (alone,) = results.pop(1)
    assert len(alone["losses"]) == 12
    memory = alone.pop("memory", None)
    for ranks in results.values():
        for result in ranks:
            if memory is not None:
                ours = result.pop("memory")
                assert torch.equal(ours, ranks[0].get("memory", ours))
                torch.testing.assert_close(*(m[m[:, 0].argsort()] for m in (ours, memory)))
            torch.testing.assert_close(result, alone)


@pytest.mark.parametrize("settings", [PAIRS, GROUPS], ids=["cached pairs", "groups"])
def test_spawned_processes_hand_back_what_one_learns(tmp_path, settings):
    """Losses and the memory stay in the processes, which have ended."""
    results = []
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        folder.mkdir()
        spawning = {**settings, "strategy": "ddp_spawn", "processes": processes}
        run("train_in_processes.py", json.dumps(spawning), folder)
        result = torch.load(folder / "rank0.pt")
        results.append({k: v for k, v in result.items() if k not in ("losses", "memory")})
    torch.testing.assert_close(*results)


def test_processes_agree_on_the_end_of_iterable_data(tmp_path):
    """The second one has 25 samples, the first one 14: five batches of three each."""
    settings = {**PAIRS, "cache": False, "stream": True, "processes": 2}
    result = run("train_in_processes.py", json.dumps(settings), tmp_path, whole=True)
    losses = [torch.load(tmp_path / f"rank{rank}.pt")["losses"] for rank in range(2)]
    assert len(losses[0]) == 4 * 5
    torch.testing.assert_close(*losses)
    assert result.stderr.count("ended after 5 batches, while those of 1 had more") == 1


def test_processes_go_on_from_a_checkpoint_with_the_same_losses(tmp_path):
    """With dropout, which every process draws for itself, and over a cache."""
    settings = {**PAIRS, "dropout": 0.5, "processes": 2}
    results = []
    for name, checkpoint in (("whole", None), ("resumed", str(tmp_path / "whole/step=5.ckpt"))):
        folder = tmp_path / name
        folder.mkdir()
        run("train_in_processes.py", json.dumps({**settings, "checkpoint": checkpoint}), folder)
        results.append(torch.load(folder / "rank1.pt"))
    whole, resumed = results
    whole["losses"] = whole["losses"][5:]
    torch.testing.assert_close(resumed, whole)


def test_one_process_gets_its_own_batch_back():
    embeddings, targets = torch.ones(2, 3), {"groups": torch.tensor([1, 2])}
    assert gather_batch(embeddings, targets) == (embeddings, targets)
