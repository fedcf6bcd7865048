import json
import random
import signal
import time
from pathlib import Path

SCRIPT = Path(__file__).with_name("fill_and_be_killed.py")


def filled(folder):
    """Return how many batches are known to be filled, 0 before the first."""
    files = list(Path(folder).glob("*/progress.json"))
    return json.loads(files[0].read_text())["batches"] if files else 0


def test_a_cache_killed_at_random_moments_ends_up_bit_for_bit_the_same(tmp_path, start_script):
    assert "done" in start_script(SCRIPT, tmp_path / "whole").wait().stdout
    batches = filled(tmp_path / "whole")
    assert batches > 100

    chance = random.Random(4)
    kills = 0
    for _ in range(4):
        running = start_script(SCRIPT, tmp_path / "killed")
        goal = filled(tmp_path / "killed") + chance.randrange(5, batches // 5)
        while filled(tmp_path / "killed") < goal and running.process.is_alive():
            time.sleep(chance.random() * 0.01)
        running.process.kill()
        kills += running.wait().returncode == -signal.SIGKILL
        assert filled(tmp_path / "killed") >= min(goal, batches)
    assert kills == 4
    assert "done" in start_script(SCRIPT, tmp_path / "killed").wait().stdout

    tables = [next((tmp_path / name).glob("*/embeddings.bin")) for name in ("whole", "killed")]
    assert tables[0].parent.name == tables[1].parent.name
    assert tables[0].read_bytes() == tables[1].read_bytes()
