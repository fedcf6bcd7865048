"""Tests that a component runs on another device, also on machines without one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor, nn

from quaterion_core.plugins.loading import describe
from quaterion_core.testing.checks import CheckError, NotApplicableError
from quaterion_core.testing.comparing import require_same
from quaterion_core.utils.tensors import move_to_device

_MISMATCH: Final = ("same device", "expected device", "two devices")
"""Phrases in PyTorch's errors about operands on different devices."""

Run = Callable[[Any], Tensor]


def require_other_device(module: nn.Module | None, inputs: Any, run: Run) -> None:
    """Fail if a component creates or keeps a tensor on a device other than that of its input.

    With CUDA, the component runs there. Without, two tests stand in for it. First, it runs on the
    CPU with the meta device as the default, which exposes tensors that are created without
    ``device=``. Second, everything is moved to the meta device, which exposes tensors that are
    neither parameters nor buffers. A component that reads values supports only the first test, one
    that copies its result to the device of its parameters only the second.

    Args:
        module: Module to move, or ``None``; modified in place.
        inputs: Argument of ``run``, on the CPU.
        run: Function that runs the component and returns a tensor.

    Raises:
        CheckError: If devices are mixed.
        NotApplicableError: If there is no CUDA device and the component supports neither test.
    """
    expected = run(inputs)
    if torch.cuda.is_available():
        # cuDNN computes convolutions with TF32 by default, which rounds to 10 bits.
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            on_cuda = _moved_to("cuda", module, inputs, run)
        require_same(on_cuda.cpu(), expected, "on CUDA")
        return
    tried = [_runs_beside_another_device(inputs, run), _runs_on_meta(module, inputs, run)]
    if not any(tried):
        raise NotApplicableError("there is no GPU, and the component cannot run on the meta device")


def _runs_beside_another_device(inputs: Any, run: Run) -> bool:
    try:
        with torch.device("meta"):
            result = run(inputs)
    except (NotImplementedError, RuntimeError) as error:
        _refuse_mismatch(error, "a tensor is created without device=")
        return False
    _require_device(result, "cpu")
    return True


def _runs_on_meta(module: nn.Module | None, inputs: Any, run: Run) -> bool:
    try:
        result = _moved_to("meta", module, inputs, run)
    except Exception as error:  # without values, anything may fail
        _refuse_mismatch(
            error, "a tensor stays on the CPU when the component is moved to another device"
        )
        return False
    _require_device(result, "meta")
    return True


def _moved_to(device: str, module: nn.Module | None, inputs: Any, run: Run) -> Tensor:
    if module is not None:
        module.to(device)
    return run(move_to_device(inputs, device))


def _refuse_mismatch(error: Exception, fault: str) -> None:
    if any(words in str(error) for words in _MISMATCH):
        raise CheckError(f"{fault}: {describe(error)}") from error


def _require_device(result: Tensor, expected: str) -> None:
    if result.device.type != expected:
        raise CheckError(
            f"expected the result on the device of the input, {expected!r}, got "
            f"{result.device.type!r}"
        )
