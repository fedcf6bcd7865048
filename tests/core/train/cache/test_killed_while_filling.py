import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

SCRIPT = Path(__file__).with_name("fill_and_be_killed.py")


def start(folder):
    process = subprocess.Popen(
        [sys.executable, SCRIPT, folder], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    return process


def filled(folder):
    """Return how many batches are filled for certain, 0 before the first."""
    files = list(Path(folder).glob("*/progress.json"))
    return json.loads(files[0].read_text())["batches"] if files else 0


def test_a_cache_that_was_killed_at_random_moments_ends_up_bit_for_bit_the_same(tmp_path):
    whole = start(tmp_path / "whole")
    assert "done" in whole.communicate(timeout=120)[0]
    batches = filled(tmp_path / "whole")
    assert batches > 100

    chance = random.Random(4)
    kills = 0
    for _ in range(4):
        process = start(tmp_path / "killed")
        goal = filled(tmp_path / "killed") + chance.randrange(5, batches // 5)
        while filled(tmp_path / "killed") < goal and process.poll() is None:
            time.sleep(chance.random() * 0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
        assert filled(tmp_path / "killed") >= min(goal, batches)
    assert kills == 4
    last = start(tmp_path / "killed")
    assert "done" in last.communicate(timeout=120)[0]

    tables = [next((tmp_path / name).glob("*/embeddings.bin")) for name in ("whole", "killed")]
    assert tables[0].parent.name == tables[1].parent.name
    assert tables[0].read_bytes() == tables[1].read_bytes()
