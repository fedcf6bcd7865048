import json
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

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


def test_two_writers_and_a_reader_share_one_table(tmp_path, start_script):
    """The second writer waits for the first, and the reader changes nothing."""
    writers = [start_script(SCRIPT, tmp_path / "shared") for _ in range(2)]
    assert all("done" in running.wait().stdout for running in writers)
    (table,) = (tmp_path / "shared").glob("*/embeddings.bin")
    names = sorted(path.name for path in table.parent.iterdir())
    assert names == ["embeddings.bin", "progress.json"]
    written = table.read_bytes()
    assert "done" in start_script(SCRIPT, tmp_path / "shared").wait().stdout
    assert table.read_bytes() == written


@pytest.fixture
def small_disk(tmp_path):
    """Return a file system of 100 kB and a function that mounts it anew with other options."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", folder]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system")
    yield (
        folder,
        lambda options: subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True),
    )
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_an_error_and_no_signal(small_disk, start_script):
    """The table has 2000 rows of 24 numbers: 192 kB. Writing to a map without room is SIGBUS."""
    folder, _ = small_disk
    result = start_script(SCRIPT, folder / "cache").wait()
    assert result.returncode == 1
    assert "done" not in result.stdout
    assert "NotWritableError: The cache needs 0.2 MB in" in result.stderr
    assert "but only 0.1 MB are free" in result.stderr
    assert not [*folder.rglob("*.bin")]


def test_a_read_only_disk_is_used_if_it_has_the_table(small_disk, start_script):
    folder, remount = small_disk
    remount("size=1m")
    assert "done" in start_script(SCRIPT, folder / "cache").wait().stdout
    remount("ro")
    assert "done" in start_script(SCRIPT, folder / "cache").wait().stdout
    result = start_script(SCRIPT, folder / "other").wait()
    assert result.returncode == 1
    assert "NotWritableError: The cache cannot be kept in" in result.stderr
    assert "Read-only file system. Choose another save_dir" in result.stderr
