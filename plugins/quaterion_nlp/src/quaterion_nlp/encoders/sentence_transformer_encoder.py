"""Any sentence-transformers model as an encoder."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from torch import Tensor, nn
from typing_extensions import Self

from quaterion_core.dataset.text_roles import Document, Query
from quaterion_core.encoders import Encoder, ExportForm
from quaterion_core.storage import InvalidFolderError, SavedFolder, write_json
from quaterion_core.utils.faults import Faults
from quaterion_core.utils.options import inverse_permutation
from quaterion_core.utils.precision import at_least_float32
from quaterion_core.utils.ranges import Count
from quaterion_nlp.encoders.arguments import PRECISIONS, ROLES, check_arguments
from quaterion_nlp.encoders.partial_training import add_adapters, merged, require_peft, top_modules
from quaterion_nlp.encoders.pooling import replace_pooling
from quaterion_nlp.encoders.pretrained import open_sentence_transformer
from quaterion_nlp.encoders.routes import (
    check_routes,
    depends_on_role,
    outer_modules,
    own_prompts,
)
from quaterion_nlp.encoders.sentence_transformer_form import sentence_transformer_form
from quaterion_nlp.encoders.tokenization import TokenCounts, Tokenization
from quaterion_nlp.encoders.transformer_layers import keep_first_layers
from quaterion_nlp.encoders.truncation import TruncationNotice, limit_length
from quaterion_nlp.saved.models import read_sentence_transformer, write_sentence_transformer
from quaterion_nlp.saved.schemas import Schema, Size, Text, check

if TYPE_CHECKING:
    from peft import LoraModel

_CONFIG_FILE: Final = "config.json"
_MODEL_FOLDER: Final = "model"


class SentenceTransformerEncoder(Encoder):
    """Encoder of texts that wraps a sentence-transformers model, with all its modules.

    The embeddings are those of the model's own ``encode``; they are normalised if the model ends
    with a ``Normalize`` module. Code in a model's repository is never run
    (``trust_remote_code`` stays ``False``). The saved encoder holds the whole model as
    safetensors, so that loading it needs no network.

    A model with fewer ``layers`` is smaller and faster, and a middle layer may say more about a
    text than the last one. To concatenate the embeddings of several layers or poolings, use
    several encoders with the same model.

    A model with a ``Router`` embeds a :class:`~quaterion_core.dataset.Query` and a
    :class:`~quaterion_core.dataset.Document` by different modules, as its own ``encode_query`` and
    ``encode_document`` do. Texts that exceed the model's maximum length are cut off; a
    :class:`~quaterion_nlp.encoders.truncation.TruncationWarning` says once how much is lost.

    Source: Reimers and Gurevych, Sentence-BERT, EMNLP 2019. Fewer layers: Sajjad et al., On the
    Effect of Dropping Layers of Pre-trained Transformer Models, Computer Speech & Language 77, 2023
    (top-layer dropping). What middle layers hold: Jawahar et al., What Does BERT Learn about the
    Structure of Language?, ACL 2019. Concatenated pooling: Howard and Ruder, Universal Language
    Model Fine-tuning for Text Classification, ACL 2018, section 3.3.

    Args:
        model: The name of a model on the Hugging Face Hub, such as
            ``"sentence-transformers/all-MiniLM-L6-v2"``, which is fetched unless this machine has
            it already; the path of a local folder; or a ``SentenceTransformer``, which is used
            itself and not copied, unless ``layers`` or ``pooling`` change it: they change a copy.
        trainable: Whether training changes the whole model. A frozen one can be cached.
        max_seq_length: Number of tokens after which a text is cut off, at most as many as the model
            has positions for; by default the model's own limit.
        prompt: Prefix of every text, such as ``"query: "``; by default the model's own default
            prompt, which most models do not have.
        prompts: Prefixes of a :class:`~quaterion_core.dataset.Query` and of a
            :class:`~quaterion_core.dataset.Document`, such as ``{"query": "query: ", "document":
            "passage: "}``. Texts of neither kind are then refused, unless there is a ``prompt`` for
            them. By default the model's own prompts of these names, as its ``encode_query`` and
            ``encode_document`` use them.
        precision: Precision of a frozen model: ``"float32"``, ``"bfloat16"`` or ``"float16"``; by
            default that of its weights. Embeddings are float32. float16 is intended for GPUs. A
            model that is trained is kept in float32.
        train_layers: Number of last layers of the transformer to train, together with all that
            comes after them. The rest, word embeddings included, is frozen and stays in
            evaluation mode.
        lora: Train only low-rank adapters (LoRA) of the layers: arguments of ``peft.LoraConfig``,
            such as ``{"r": 8, "lora_alpha": 16}``. It requires peft (``quaterion-nlp[lora]``).
            Adapters are merged into the weights when the encoder is saved, so a loaded encoder
            needs no peft, and is frozen.
        layers: Number of first layers of the transformer to use; the others are neither run nor
            trained nor saved. A normalization that the model has after its last layer then comes
            after the last one that is kept. ``train_layers`` counts from there.
        pooling: How the embeddings of a text's tokens are pooled, instead of by the model's own
            ``Pooling``: ``"mean"``, ``"max"``, ``"cls"`` (the first token), ``"lasttoken"``,
            ``"mean_sqrt_len_tokens"`` (their sum divided by the square root of their number) or
            ``"weightedmean"`` (weighted by their position), or several of them, whose results are
            concatenated. What comes after the pooling, such as ``Normalize``, stays.

    Raises:
        TypeError: ``model`` is something else, or ``lora`` has an unknown argument.
        ValueError: The model cannot be opened or does not state its embedding size; it does not
            have these layers or one ``Pooling``; an argument is out of range or conflicts with
            another. All faults are listed.
        ImportError: peft is missing.

    Example:
        A model that counts words:

        >>> from sentence_transformers import SentenceTransformer
        >>> from sentence_transformers.sentence_transformer.modules import BoW
        >>> model = SentenceTransformer(modules=[BoW(["red", "green", "blue"])], device="cpu")
        >>> encoder = SentenceTransformerEncoder(model)
        >>> encoder(encoder.get_collate_fn()(["green green", "red blue"])).tolist()
        [[0.0, 2.0, 0.0], [1.0, 0.0, 1.0]]
    """

    def __init__(
        self,
        model: str | Path | SentenceTransformer,
        trainable: bool = False,
        max_seq_length: Count | None = None,
        prompt: str | None = None,
        prompts: Mapping[str, str] | None = None,
        precision: str | None = None,
        train_layers: Count | None = None,
        lora: Mapping[str, Any] | None = None,
        layers: Count | None = None,
        pooling: str | Sequence[str] | None = None,
    ):
        super().__init__()
        check_arguments(
            trainable=trainable,
            max_seq_length=max_seq_length,
            prompt=prompt,
            prompts=prompts,
            precision=precision,
            train_layers=train_layers,
            lora=lora,
            layers=layers,
            pooling=pooling,
        )
        if lora is not None:
            require_peft()
        self._name: str | None = None
        if isinstance(model, (str, Path)):
            self._name = str(model)
            model = open_sentence_transformer(self._name)
        elif not isinstance(model, SentenceTransformer):
            raise TypeError(
                "Expected model to be the name of a model, a folder or a SentenceTransformer, got "
                f"a {type(model).__name__}."
            )
        elif layers is not None or pooling is not None:
            model = copy.deepcopy(model)
        faults = Faults()
        if layers is not None:
            with faults.collected():
                keep_first_layers(model, layers)
        if pooling is not None:
            with faults.collected():
                replace_pooling(model, pooling)
        with faults.collected():
            limit_length(model, max_seq_length)
        with faults.collected():
            check_routes(model)
        # Tuples, so that torch does not count their modules a second time.
        self._top: tuple[nn.Module, ...] = ()
        self._adapters: tuple[LoraModel, ...] = ()
        with faults.collected():
            if train_layers is not None:
                self._top = top_modules(model, train_layers)
            if lora is not None:
                self._adapters = (add_adapters(model, lora),)
        faults.raise_all()
        size = model.get_embedding_dimension()
        if size is None:
            raise ValueError(
                "The SentenceTransformer does not declare its embedding size: none of its modules "
                "has get_embedding_dimension(). End it with a Pooling or a Dense module."
            )
        self._max_seq_length = max_seq_length
        self._embedding_size = size
        self._trainable = trainable or train_layers is not None or lora is not None
        self._prompt = prompt
        self._prompts = None if prompts is None else dict(prompts)
        self._precision = precision
        self._train_layers = train_layers
        self._lora = None if lora is None else dict(lora)
        self._layers = layers
        self._pooling = list(pooling) if isinstance(pooling, tuple) else pooling
        if self._trainable:
            model.float()
        elif precision is not None:
            model.to(PRECISIONS[precision])
        self.model = model
        self._notice = TruncationNotice()
        if train_layers is not None:
            model.requires_grad_(False)
            for module in self._top:
                module.requires_grad_(True)
        _freeze_unused_poolers(model)
        self.disable_gradients_if_required()

    @property
    def trainable(self) -> bool:
        """Whether training changes the model, or a part of it."""
        return self._trainable

    def train(self, mode: bool = True) -> Self:
        """Set training or evaluation mode; frozen modules stay in evaluation mode."""
        super().train(mode)
        if mode and self._top:
            self.model.eval()
            for module in self._top:
                module.train()
        return self

    @property
    def embedding_size(self) -> int:
        """Size D of the model's embeddings."""
        return self._embedding_size

    def get_collate_fn(self) -> Tokenization:
        """Return the function that tokenizes N strings; pickled, it holds no weights."""
        prompt, prompts = self._prompt, self._prompts
        if prompts is None:
            prompts = own_prompts(self.model)
            if prompt is not None:  # of all texts but those for which the model has another
                prompts = {role: text for role, text in prompts.items() if text}
            elif self.model.default_prompt_name is not None:
                prompt = self.model.prompts[self.model.default_prompt_name]
            prompt = prompt or ""
        return Tokenization(
            self.model[0],
            prompt,
            prompts,
            by_prompt=any(
                isinstance(module, Pooling) and not module.include_prompt
                for module in outer_modules(self.model)
            ),
            by_role=depends_on_role(self.model),
            notice=self._notice,
        )

    def get_length_fn(self) -> TokenCounts:
        """Return the function that counts the tokens of N strings."""
        return TokenCounts(self.get_collate_fn())

    def forward(self, batch: dict[str, Any]) -> Tensor:
        """Embed N tokenized texts.

        Args:
            batch: What the model's own tokenization made of them.

        Returns:
            Embeddings of shape (N, D), cut off to the model's ``truncate_dim`` if it has one.
        """
        if "parts" not in batch:
            return self._embed(batch)
        embeddings = torch.cat([self._embed(part) for part in batch["parts"]])
        return embeddings[inverse_permutation(torch.cat(batch["rows"]))]

    def _embed(self, batch: dict[str, Any]) -> Tensor:
        features = dict(batch)
        arguments = {"task": features.pop("task")} if "task" in features else {}
        embeddings: Tensor = self.model(features, **arguments)["sentence_embedding"]
        return at_least_float32(embeddings[:, : self._embedding_size])

    def get_export_form(self) -> ExportForm:
        """Return the model over token ids and masks, with its tokenizer and its prompts.

        Adapters are merged in a copy.

        Raises:
            NotImplementedError: The model treats queries and documents by different modules,
                excludes prompts from its pooling, or does not begin with a transformer or a static
                embedding.
        """
        used = self.get_collate_fn()
        if used.by_role or (used.by_prompt and any([used.prompt, *used.prompts.values()])):
            reason = "treats queries and documents" if used.by_role else "pools texts and prompts"
            raise NotImplementedError(
                f"{type(self).__name__} cannot be exported as one graph, because its model "
                f"{reason} differently. Serve it with Quaterion itself."
            )
        model = merged(self.model, self._adapters[0]) if self._adapters else self.model
        batch = used.module.preprocess(["a"])
        prompts = {r: text for r, text in used.prompts.items() if text != used.prompt}
        return sentence_transformer_form(model, self._embedding_size, batch, used.prompt, prompts)

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments of the constructor.

        Raises:
            NotImplementedError: The encoder was made from a ``SentenceTransformer``, which has no
                name. :meth:`save` works nevertheless.
        """
        if self._name is None:
            raise NotImplementedError(
                "This SentenceTransformerEncoder was made from a SentenceTransformer and not from "
                "a name, so there are no arguments that build it again. Use save(path)."
            )
        return {
            "model": self._name,
            "trainable": self.trainable,
            "max_seq_length": self._max_seq_length,
            "prompt": self._prompt,
            "prompts": self._prompts,
            "precision": self._precision,
            "train_layers": self._train_layers,
            "lora": self._lora,
            "layers": self._layers,
            "pooling": self._pooling,
        }

    def save(self, output_path: str | Path) -> None:
        """Save the whole model into an existing folder, in ``model/`` beside ``config.json``.

        It is saved with the layers and the pooling that it has by now, so that neither is an
        argument of what is loaded. The prompts are written into the model too, so that
        sentence-transformers, which can open ``model/``, embeds with them. Adapters are merged in
        a copy, which takes the model's memory once more; the encoder itself is not changed.
        """
        folder = Path(output_path)
        config = {
            "trainable": self.trainable and not self._adapters,
            "prompt": self._prompt,
            "prompts": self._prompts,
            "precision": self._precision,
            "train_layers": self._train_layers,
        }
        write_json(folder / _CONFIG_FILE, config, owner=type(self).__name__)
        self.save_sentence_transformer(folder / _MODEL_FOLDER)

    def save_sentence_transformer(self, path: Path) -> None:
        """Save the model alone, with the prompts, to a new folder for ``SentenceTransformer``."""
        used = self.get_collate_fn()
        # A tokenizer keeps the truncation and padding of its last use, and they are saved with it:
        # let them be the same for a model that has embedded texts and one that has not.
        for text in (Query("a"), Document("a")):
            used([text])
        model = merged(self.model, self._adapters[0]) if self._adapters else self.model
        prompts = {role: used.prompts.get(role, used.prompt or "") for role in ROLES}
        write_sentence_transformer(model, path, prompt=used.prompt, prompts=prompts)

    @classmethod
    def load_from(cls, folder: SavedFolder) -> Self:
        """Load an encoder from an opened folder that :meth:`save` filled, without the network.

        Raises:
            InvalidFolderError: The folder holds something else than :meth:`save` writes.
        """
        source = str(folder.path / _CONFIG_FILE)
        for name in folder.files:
            if name != _CONFIG_FILE and not name.startswith(f"{_MODEL_FOLDER}/"):
                raise InvalidFolderError(
                    f"{folder.path / name} is no file of a saved {cls.__name__}. Remove it."
                )
        config = check(_SavedConfig, folder.read_json(_CONFIG_FILE), source)
        model = read_sentence_transformer(folder.subfolder(_MODEL_FOLDER))
        try:
            encoder = cls(model, **config.model_dump())
        except (TypeError, ValueError) as error:
            raise InvalidFolderError(f"{source} does not fit its model: {error}") from error
        encoder._name = str(folder.path / _MODEL_FOLDER)
        return encoder


class _SavedConfig(Schema):
    """Content of the saved ``config.json``; older ones lack the last three entries."""

    trainable: bool
    prompt: Text | None
    prompts: dict[Literal["query", "document"], Text] | None = None
    precision: Literal["float32", "bfloat16", "float16"] | None = None
    train_layers: Size | None = None


def _freeze_unused_poolers(model: SentenceTransformer) -> None:
    """Freeze the pooling layer of transformers, which pooling over tokens does not use.

    A parameter that requires grad but gets no gradient is an error in distributed training.
    """
    modules = list(model.modules())
    if not any(isinstance(module, Pooling) for module in modules):
        return
    for module in modules:
        pooler = getattr(module.model, "pooler", None) if isinstance(module, Transformer) else None
        if isinstance(pooler, nn.Module):
            pooler.requires_grad_(False)
