"""The stages of a timm model, and what of it stands before the last ones."""

from __future__ import annotations

import re

from torch import nn


def modules_before(model: nn.Module, last_stages: int) -> list[nn.Module]:
    """Return the modules of a timm model that come before its last stages.

    Stages are what timm calls the blocks of a model in ``group_matcher(coarse=True)``: the four
    stages of a ResNet or ConvNeXt, the blocks of a vision transformer. The pooling and the
    normalisation behind the last stage belong to what comes after. The order is that in which the
    model lists its modules.

    Args:
        model: The model.
        last_stages: Number of stages.

    Returns:
        The modules whose own parameters, buffers and mode (not those of their children) are not of
        the last stages. Those that contain a later one are among them, such as the model itself,
        which may own the position embeddings.

    Raises:
        ValueError: timm does not divide this model into stages, or there are not as many.

    Example:
        >>> import timm
        >>> model = timm.create_model("test_resnet")
        >>> before = modules_before(model, last_stages=1)
        >>> model.conv1 in before, model.layer3 in before, model.layer4 in before
        (True, True, False)
    """
    patterns = _stage_patterns(model)
    starts: dict[str, int] = {}
    named = list(model.named_modules())
    for place, (name, _) in enumerate(named):
        for pattern in patterns:
            if match := pattern.match(name):
                starts.setdefault(match[1], place)
    if not 1 <= last_stages <= len(starts):
        raise ValueError(
            f"train_stages is {last_stages}, but {type(model).__name__} has {len(starts)} stages. "
            f"Give 1 to {len(starts)}, or leave it out to train all of the model."
            if starts
            else f"train_stages is given, but timm does not divide {type(model).__name__} into "
            "stages. Leave it out to train all of the model."
        )
    start = sorted(starts.values())[-last_stages]
    return [module for _, module in named[:start]]


def _stage_patterns(model: nn.Module) -> list[re.Pattern[str]]:
    """Return what the names of modules in a stage begin with; the first group is the stage."""
    matcher = getattr(model, "group_matcher", None)
    groups = matcher(coarse=True) if matcher is not None else {}
    blocks = groups.get("blocks", groups.get("block_types")) if isinstance(groups, dict) else None
    if blocks is None:
        return []
    listed = [blocks] if isinstance(blocks, str) else [pattern for pattern, _ in blocks]
    compiled = [re.compile(pattern) for pattern in listed]
    return [pattern for pattern in compiled if pattern.groups == 1]
