"""Tests of callbacks and loggers by name."""

import re
from pathlib import Path

import pytest
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.loggers import CSVLogger

from quaterion_core.eval import RecallAtK
from quaterion_core.eval.attached_metric import AttachedMetric
from quaterion_core.plugins import registry
from quaterion_core.train import build_callback, build_logger

RECALL = [AttachedMetric("recall_at_k@1", RecallAtK())]


@pytest.mark.parametrize("monitor", ["recall_at_k@1", "recall_at_k@1_validation"])
def test_a_metric_is_monitored_by_its_name_and_in_its_direction(monitor):
    callback = build_callback({"name": "early-stopping", "monitor": monitor}, RECALL)
    assert (callback.monitor, callback.mode) == ("recall_at_k@1_validation", "max")
    assert build_callback("early-stopping", RECALL).mode == "min"


def test_a_callback_that_monitors_nothing_by_default_stays_so():
    assert build_callback("model-checkpoint").monitor is None


def test_the_name_of_a_logger_is_given_as_run_name(tmp_path):
    logger = build_logger({"name": "csv", "save_dir": tmp_path, "run_name": "wide", "version": 3})
    assert Path(logger.log_dir) == tmp_path / "wide" / "version_3"


def test_what_is_built_already_is_returned_as_it_is(tmp_path):
    stop, logger = EarlyStopping("train_loss"), CSVLogger(tmp_path)
    assert build_callback(stop) is stop
    assert build_logger(logger) is logger


@pytest.mark.parametrize(
    ("build", "choice", "message"),
    [
        (build_callback, "early-stoping", "no callback 'early-stoping': did you mean 'early-stopp"),
        (build_callback, 5, "Expected the name of a callback, such as 'early-stopping', or a"),
        (build_callback, {"name": "early-stopping", "patienc": 3}, "did you mean 'patience'?"),
        (build_callback, {"name": "early-stopping", "monitor": "x"}, "nothing to monitor called"),
        (build_callback, {"name": "early-stopping", "monitor": "train_loss", "mode": "max"},
         "Expected the mode 'min' for 'train_loss'"),
        (build_logger, "csv", "The logger 'csv' needs 'save_dir': expected a path"),
        (build_logger, {"name": "csv", "save_dir": 3}, "Expected a path, got 3"),
        (build_logger, "tensorbord", "did you mean 'tensorboard'?"),
    ],
    ids=lambda value: getattr(value, "__name__", None) or re.sub(r"\W+", "-", str(value)),
)  # fmt: skip
def test_mistakes_are_answered_as_for_any_other_component(build, choice, message):
    with pytest.raises((ValueError, TypeError), match=re.escape(message)):
        build(choice)


def test_further_arguments_reach_a_logger_that_takes_any(tmp_path):
    choice = {"name": "tensorboard", "save_dir": str(tmp_path), "flush_secs": 7}
    assert build_logger(choice)._kwargs == {"flush_secs": 7}


@pytest.mark.parametrize("name", ["wandb", "mlflow", "tensorboard"])
def test_a_logger_without_its_package_says_what_to_install(name, run_python):
    program = (
        "import sys\n"
        f"sys.modules[{name!r}] = None\n"
        "from quaterion_core.train import build_logger\n"
        "try:\n"
        f"    build_logger({{'name': {name!r}, 'save_dir': 'logs'}})\n"
        "except ValueError as error:\n"
        "    print(error)\n"
    )
    assert f'pip install "quaterion-core[{name}]"' in run_python("-c", program).stdout
    assert registry.find("logger", name).extra == name
