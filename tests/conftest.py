"""Fixtures for all tests: scripts, installed distributions, a browser, trainers, targets."""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

pytest_plugins = ["quaterion_core.testing.pytest"]


@pytest.fixture(scope="session", autouse=True)
def _own_cache_folder(tmp_path_factory):
    """Keep the cache of the user out of the tests, in their processes, too."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("QUATERION_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def load_module():
    """Return a function that imports a file of a folder that is no package."""

    def load(path):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module  # where dataclasses look for it
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def browser(load_module, tmp_path_factory):
    """Return a headless Chromium."""
    chromium = load_module(Path(__file__).with_name("chromium.py"))
    program = chromium.find_chromium()
    if program is None:
        pytest.skip("there is no Chromium: apt-get install chromium, or set CHROMIUM to its path")
    browser = chromium.Chromium(program, tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def build_wheel(tmp_path_factory):
    """Return a function that builds the wheel of the distribution in a folder."""

    def build(source):
        target = tmp_path_factory.mktemp("wheel")
        subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)],
            cwd=source, check=True, capture_output=True,
        )  # fmt: skip
        (wheel,) = target.glob("*.whl")
        return wheel

    return build


@pytest.fixture(scope="session")
def install_wheels(tmp_path_factory):
    """Return a function that installs wheels with pip into a new folder, and returns the folder."""

    def install(wheels):
        target = tmp_path_factory.mktemp("installed")
        subprocess.run(
            [
                sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index",
                "--disable-pip-version-check", "--target", str(target), *map(str, wheels),
            ],
            check=True, capture_output=True,
        )  # fmt: skip
        return target

    return install


@pytest.fixture(scope="session")
def run_python():
    """Return a function that runs Python in a new process, with folders on its path."""

    def run(*arguments, path=(), check=True, cwd=None, **environment):
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            env={
                **{key: value for key, value in os.environ.items() if "QUATERION" not in key},
                "PYTHONPATH": os.pathsep.join(map(str, path)),
                **environment,
            },
            check=check, cwd=cwd, capture_output=True, text=True, timeout=HANG_S,
        )  # fmt: skip

    return run


HANG_S = 600
"""Seconds after which a script counts as hanging."""

RUN_SCRIPT = """
import os, runpy, sys
os.environ.clear()
os.environ.update(environment)
os.chdir(cwd)
for number, output in enumerate(outputs, start=1):
    os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
if script == "-m":
    sys.argv = arguments
    sys.path[:0] = [cwd, *path]
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
else:
    sys.argv = [script, *arguments]
    sys.path[:0] = [os.path.dirname(script), *path]
    runpy.run_path(script, run_name="__main__")
"""


@dataclass
class RunningScript:
    """A script that runs in a process of its own."""

    process: BaseProcess
    outputs: tuple[str, str]

    def wait(self):
        """Wait for the script to end, and return its exit code, stdout and stderr."""
        self.process.join(HANG_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        stdout, stderr = (Path(output).read_text(encoding="utf-8") for output in self.outputs)
        return subprocess.CompletedProcess([], self.process.exitcode, stdout, stderr)


@pytest.fixture(scope="session")
def start_script(tmp_path_factory):
    """Return a function that starts a script, or ``"-m"`` and a module, in a new process.

    Processes are forked from a server that has imported PyTorch and Lightning, which saves seconds
    per script. Like any forked processes, they share the hash seed of strings. ``path`` lists
    folders that precede others on ``sys.path``.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pytorch_lightning", "quaterion_core"])

    def start(script, *arguments, cwd=None, path=(), **environment):
        folder = tmp_path_factory.mktemp("script")
        outputs = (str(folder / "stdout"), str(folder / "stderr"))
        process = context.Process(
            target=exec,
            args=(
                RUN_SCRIPT,
                {
                    "script": str(script),
                    "arguments": [str(argument) for argument in arguments],
                    "cwd": str(cwd or folder),
                    "path": [str(folder) for folder in path],
                    "environment": {**os.environ, **environment},
                    "outputs": outputs,
                },
            ),
        )
        process.start()
        return RunningScript(process, outputs)

    return start


@pytest.fixture(scope="session")
def run_script(start_script):
    """Return a function that runs a Python script in a new process and waits for it."""

    def run(script, *arguments, **options):
        return start_script(script, *arguments, **options).wait()

    return run


@pytest.fixture(scope="session")
def torchrun():
    """Return a function that returns the variables that torchrun sets for each process."""

    def variables(processes):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        return [
            {
                "TORCHELASTIC_RUN_ID": "test", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
                "WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes),
                "GROUP_RANK": "0", "RANK": str(rank), "LOCAL_RANK": str(rank),
            }
            for rank in range(processes)
        ]  # fmt: skip

    return variables


@pytest.fixture
def quiet_trainer(tmp_path):
    """Return a function that creates a Lightning trainer for one CPU without output or files."""
    import pytorch_lightning as pl

    def make(**arguments):
        defaults = {
            "accelerator": "cpu",
            "logger": False,
            "enable_checkpointing": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "default_root_dir": tmp_path,
            "log_every_n_steps": 1,
        }
        return pl.Trainer(**{**defaults, **arguments})

    return make


@pytest.fixture(scope="session")
def pair_targets():
    """Return a function that creates the targets of a batch of pairs."""
    from quaterion_core.testing import loss_batches

    return loss_batches.pair_targets


@pytest.fixture(scope="session")
def angles():
    """Return an encoder of numbers of degrees, as texts, to points on the unit circle."""
    import torch

    from quaterion_core.encoders import Encoder
    from quaterion_core.plugins import register_encoder

    @register_encoder("angles")
    class Angles(Encoder):
        """A number of degrees, as text, to a point on the unit circle."""

        trainable, embedding_size = False, 2

        def get_collate_fn(self):
            return list

        def forward(self, texts):
            degrees = torch.deg2rad(torch.tensor([float(text) for text in texts]))
            return torch.stack([degrees.cos(), degrees.sin()], dim=1)

        def get_config_dict(self):
            return {}

    return Angles


@pytest.fixture(scope="session")
def save_bert():
    """Return a function that saves a small BERT model and its tokenizer of some words."""

    def save(folder, words, **sizes):
        import torch
        import transformers

        torch.manual_seed(0)
        default = {"hidden_size": 8, "num_hidden_layers": 2, "intermediate_size": 16,
                   "max_position_embeddings": 64}  # fmt: skip
        config = transformers.BertConfig(
            vocab_size=len(words), num_attention_heads=2, **{**default, **sizes}
        )
        transformers.BertModel(config).save_pretrained(folder)
        vocabulary = {word: index for index, word in enumerate(words)}
        transformers.BertTokenizerFast(vocab=vocabulary).save_pretrained(folder)

    return save
