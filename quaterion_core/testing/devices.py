"""Running a component on another device, or finding out without one whether it would run there."""

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
"""What PyTorch's errors say where the operands of an operation are on two devices."""

Run = Callable[[Any], Tensor]


def require_other_device(module: nn.Module | None, inputs: Any, run: Run) -> None:
    """Fail if a component would make or keep a tensor on another device than its input's.

    With CUDA it runs there. Without, two things are tried: that tensors which are made for no
    device in particular are made elsewhere, and to move everything to the meta device, where what
    is no parameter and no buffer does not go. What looks at values can do only the first, and what
    copies its result to the device of its parameters only the second.

    Args:
        module: What is moved, if anything is; it is changed.
        inputs: What ``run`` takes, on the CPU.
        run: Runs the component and returns a tensor.

    Raises:
        CheckError: Devices are mixed.
        NotApplicableError: There is no CUDA, and neither can be done.
    """
    expected = run(inputs)
    if torch.cuda.is_available():
        require_same(_moved_to("cuda", module, inputs, run).cpu(), expected, "on CUDA")
        return
    tried = [_runs_beside_another_device(inputs, run), _runs_on_meta(module, inputs, run)]
    if not any(tried):
        raise NotApplicableError("there is no GPU, and it does not run without values")


def _runs_beside_another_device(inputs: Any, run: Run) -> bool:
    try:
        with torch.device("meta"):
            result = run(inputs)
    except (NotImplementedError, RuntimeError) as error:
        _refuse_mismatch(error, "a tensor is made for no device in particular")
        return False
    _require_device(result, "cpu")
    return True


def _runs_on_meta(module: nn.Module | None, inputs: Any, run: Run) -> bool:
    try:
        result = _moved_to("meta", module, inputs, run)
    except Exception as error:  # without values anything may go wrong
        _refuse_mismatch(error, "a tensor stays on the CPU when the component is moved")
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
            f"for input on the device {expected!r} the result is on {result.device.type!r}"
        )
