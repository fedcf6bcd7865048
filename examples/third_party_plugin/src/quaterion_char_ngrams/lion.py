"""The optimizer Lion."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.optim import Optimizer


class Lion(Optimizer):
    """Steps along the sign of an interpolation of the momentum and the gradient.

    With the momentum m, the gradient g and the weights w, and with rates (b1, b2)::

        w -= lr * (sign(b1 * m + (1 - b1) * g) + weight_decay * w)
        m  = b2 * m + (1 - b2) * g

    Source: Chen et al., Symbolic Discovery of Optimization Algorithms, NeurIPS 2023, algorithm 2.

    Args:
        params: Parameters, or groups of parameters.
        lr: Learning rate; usually a third to a tenth of the one that suits Adam.
        betas: Rates of the interpolation and of the momentum, each in [0, 1).
        weight_decay: Decoupled weight decay.

    Raises:
        ValueError: A value is out of range.

    Example:
        >>> weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
        >>> optimizer = Lion([weight], lr=0.5)
        >>> weight.square().sum().backward()
        >>> optimizer.step()
        >>> weight.tolist()
        [0.5, -1.5]
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ):
        if lr < 0 or weight_decay < 0:
            raise ValueError(
                f"Expected lr and weight_decay of at least 0, got {lr} and {weight_decay}"
            )
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"Expected betas in [0, 1), got {betas}")
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take a step; parameters without a gradient stay as they are."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)
        return loss

    def _update(self, parameter: torch.Tensor, group: dict[str, Any]) -> None:
        state, gradient = self.state[parameter], parameter.grad
        assert gradient is not None
        momentum = state.setdefault("momentum", torch.zeros_like(parameter))
        fast, slow = group["betas"]
        direction = (fast * momentum + (1 - fast) * gradient).sign_()
        parameter.mul_(1 - group["lr"] * group["weight_decay"]).sub_(group["lr"] * direction)
        momentum.mul_(slow).add_(gradient, alpha=1 - slow)
