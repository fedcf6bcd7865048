import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from quaterion_core.plugins import registry
from quaterion_core.train.gather import gather_batch

SCRIPT = Path(__file__).with_name("gradients_of_two_processes.py")
LOSSES = [record.id for record in registry.components("loss")]


@pytest.fixture(scope="module")
def differences(tmp_path_factory):
    rendezvous = tmp_path_factory.mktemp("processes") / "rendezvous"
    result = subprocess.run(
        [sys.executable, SCRIPT, rendezvous], capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout.splitlines()[-1])


@pytest.mark.parametrize("loss", LOSSES)
def test_two_processes_give_the_gradient_of_one_with_the_whole_batch(differences, loss):
    assert differences[loss] < 1e-4


def test_metrics_of_processes_are_put_together_and_not_averaged(differences):
    assert differences["metric"] < 1e-6


def test_a_cached_training_in_two_processes_is_that_in_one(tmp_path):
    results = []
    # All samples are in each batch, since Lightning shuffles them in its own way.
    for processes, batch_size in ((1, 24), (2, 12)):
        folder = tmp_path / str(processes)
        folder.mkdir()
        command = [sys.executable, SCRIPT.with_name("train_in_processes.py")]
        command += [str(processes), str(batch_size), folder]
        result = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert result.returncode == 0, result.stderr[-3000:]
        assert (folder / "embedded.txt").read_text() == "x" * 48  # each object once, in all
        results.append(torch.load(folder / "result.pt"))
    for name, value in results[0].items():
        torch.testing.assert_close(results[1][name], value)


def test_one_process_gets_its_own_batch_back():
    embeddings, targets = torch.ones(2, 3), {"groups": torch.tensor([1, 2])}
    assert gather_batch(embeddings, targets) == (embeddings, targets)
