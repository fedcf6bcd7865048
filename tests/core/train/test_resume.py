import signal
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("train_and_be_killed.py")
STEPS = 24
"""Six epochs of four steps."""


@pytest.fixture(scope="module")
def run(run_script):
    def run(folder, killed_after=0, checkpoint=()):
        result = run_script(SCRIPT, folder, killed_after, *checkpoint)
        assert result.returncode == (-signal.SIGKILL if killed_after else 0), result.stderr[-3000:]
        lines = [line.split() for line in result.stdout.splitlines()]
        return {int(step): float(loss) for step, loss in lines}

    return run


@pytest.fixture(scope="module")
def uninterrupted(run, tmp_path_factory):
    losses = run(tmp_path_factory.mktemp("uninterrupted"))
    assert [*losses] == [*range(1, STEPS + 1)]
    return losses


@pytest.mark.parametrize("step", [2, 8, 11], ids=["first epoch", "end of epoch", "third epoch"])
def test_a_killed_run_resumes_with_the_same_losses(run, tmp_path, uninterrupted, step):
    before = run(tmp_path, killed_after=step)
    after = run(tmp_path, checkpoint=[str(tmp_path / f"step={step}.ckpt")])
    assert [*before] == [*range(1, step + 1)]
    assert [*after] == [*range(step + 1, STEPS + 1)]
    assert {**before, **after} == pytest.approx(uninterrupted, rel=1e-5)
