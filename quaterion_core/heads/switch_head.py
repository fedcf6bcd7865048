"""A head that dispatches each object to one of several heads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from typing_extensions import Self

from quaterion_core.heads.encoder_head import EncoderHead
from quaterion_core.utils.child_components import describe, rebuild
from quaterion_core.utils.objects import about_object
from quaterion_core.utils.options import check_option_keys, inverse_permutation, rows_by_option
from quaterion_core.utils.ranges import Count, DropoutRate


class SwitchHead(EncoderHead):
    """One head per kind of object: ``y_i = options[meta_i["encoder"]](x_i)``.

    A :class:`~quaterion_core.encoders.SwitchEncoder` returns this meta: objects of each modality
    then have an encoder and a head of their own, in one embedding space.

    Args:
        options: A head for each key, all of the same input size D_in and output size.
        input_embedding_size: D_in.
        dropout: Probability of dropping each input value during training, before the
            option's own dropout.

    Raises:
        TypeError: An option is not a head.
        ValueError: There are no options, a key is malformed, or the sizes differ.

    Example:
        >>> import torch
        >>> from quaterion_core.heads import EmptyHead, GatedHead
        >>> head = SwitchHead({"image": EmptyHead(2), "text": GatedHead(2)}, input_embedding_size=2)
        >>> head(torch.ones(2, 2), [{"encoder": "text"}, {"encoder": "image"}]).detach()
        tensor([[0.9640, 0.9640],
                [1.0000, 1.0000]])
    """

    meta_key: ClassVar[str] = "encoder"
    """The name of the key in the meta of objects."""
    meta_source: ClassVar[str] = (
        "A SwitchEncoder returns it, or the extract_meta of another encoder."
    )
    """Where the key comes from, for errors."""

    def __init__(
        self,
        options: Mapping[str, EncoderHead],
        input_embedding_size: Count,
        dropout: DropoutRate = 0.0,
    ):
        super().__init__(input_embedding_size, dropout=dropout)
        owner = type(self).__name__
        check_option_keys(options.keys(), owner)
        for key, option in options.items():
            if not isinstance(option, EncoderHead):
                raise TypeError(
                    f"Expected the option {key!r} of {owner} to be an EncoderHead, got a "
                    f"{type(option).__name__}. Wrap other modules in a SequentialHead."
                )
        input_sizes = {key: option.input_embedding_size for key, option in options.items()}
        if set(input_sizes.values()) != {input_embedding_size}:
            raise ValueError(
                f"Expected the options of {owner} to take embeddings of size "
                f"{input_embedding_size}, its input_embedding_size, got {input_sizes}."
            )
        output_sizes = {key: option.output_size for key, option in options.items()}
        if len(set(output_sizes.values())) > 1:
            raise ValueError(
                f"Expected the options of {owner} to give embeddings of one size, got "
                f"{output_sizes}."
            )
        # A torch module; the annotation says what it holds.
        self.options = cast("Mapping[str, EncoderHead]", nn.ModuleDict(options))

    @property
    def output_size(self) -> int:
        """D_out, the same for all options."""
        return next(iter(self.options.values())).output_size

    def forward(self, input_vectors: Tensor, meta: list[Any] | None = None) -> Tensor:
        """Apply to each row the head named by its meta.

        Args:
            input_vectors: Embeddings (N, D_in).
            meta: N dictionaries with the key of an option under ``"encoder"``. Each option gets
                those of its rows.

        Returns:
            Embeddings (N, D_out), in the order of the input.

        Raises:
            ValueError: The meta is missing, is not of length N, or names no option.
        """
        self.check_input_size(input_vectors)
        facts = self._checked(meta, len(input_vectors))
        rows_of_options = rows_by_option(
            (fact[self.meta_key] for fact in facts), self.options.keys(), type(self).__name__
        )
        if not rows_of_options:
            return input_vectors.new_zeros(0, self.output_size)
        vectors = self.dropout(input_vectors)
        order: list[int] = []
        outputs: list[Tensor] = []
        for key, rows in rows_of_options.items():
            index = torch.tensor(rows, device=vectors.device)
            outputs.append(self.options[key](vectors[index], [facts[row] for row in rows]))
            order += rows
        return torch.cat(outputs)[inverse_permutation(torch.tensor(order, device=vectors.device))]

    def transform(self, input_vectors: Tensor) -> Tensor:
        """Raise a ``ValueError``: the option is chosen by meta.

        Raises:
            ValueError: Always.
        """
        raise ValueError(
            f"{type(self).__name__} needs the meta of the objects: call the head with meta instead."
        )

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this head, with described options, as JSON values."""
        return {
            **super().get_config_dict(),
            "options": {key: describe("head", option) for key, option in self.options.items()},
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Build a head from what :meth:`get_config_dict` returned."""
        options = {key: rebuild("head", option) for key, option in config["options"].items()}
        return cls(**{**config, "options": options})

    def _checked(self, meta: list[Any] | None, count: int) -> list[Any]:
        """Raise a ``ValueError`` unless the meta names an option for each of ``count`` objects."""
        owner = type(self).__name__
        if meta is None or len(meta) != count:
            raise ValueError(
                f"Expected one dictionary of meta for each of the {count} embeddings of {owner}, "
                f"got {'none' if meta is None else len(meta)}. {self.meta_source}"
            )
        for row, facts in enumerate(meta):
            if self.meta_key not in facts:
                raise about_object(
                    ValueError(
                        f"Expected the meta of object {row} to name an option of {owner} under "
                        f"{self.meta_key!r}, got {facts}. {self.meta_source}"
                    ),
                    row,
                )
        return meta
