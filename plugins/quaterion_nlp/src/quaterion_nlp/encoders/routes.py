"""Models of sentence-transformers that treat queries and documents by different modules."""

from __future__ import annotations

from collections.abc import Iterator

from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Router, Transformer
from torch import nn

from quaterion_core.dataset.text_roles import Document, Query


def own_prompts(model: SentenceTransformer) -> dict[str, str]:
    """Return the prompts that a model's own encode methods use, by role.

    ``encode_query`` uses the prompt ``"query"``, and ``encode_document`` the first existing one of
    ``"document"``, ``"passage"`` and ``"corpus"``. An empty prompt disables the default prompt.
    """
    names = {Query.role: ("query",), Document.role: ("document", "passage", "corpus")}
    return {
        role: next(model.prompts[name] or "" for name in candidates if name in model.prompts)
        for role, candidates in names.items()
        if any(name in model.prompts for name in candidates)
    }


def depends_on_role(model: SentenceTransformer) -> bool:
    """Whether a model embeds a text differently as a query and as a document.

    Apart from prompts, it does if it has a ``Router`` (formerly ``Asym``), or a transformer with
    separate lengths for queries or documents.
    """
    return any(
        isinstance(module, Router)
        or (
            isinstance(module, Transformer)
            and (module.query_length, module.document_length, module.query_expansion)
            != (None, None, None)
        )
        for module in outer_modules(model)
    )


def outer_modules(model: nn.Module) -> Iterator[nn.Module]:
    """Yield the modules of a model, but not those within its transformers, which are many.

    To walk through these would be a noticeable part of the time for a single query.
    """
    yield model
    if not isinstance(model, Transformer):
        for child in model.children():
            yield from outer_modules(child)


def check_routes(model: SentenceTransformer) -> None:
    """Refuse a model whose routes make embeddings of different sizes.

    Raises:
        ValueError: The sizes differ.
    """
    last = list(model)[-1]
    if not isinstance(last, Router):
        return
    sizes = {
        route: next(
            (
                size
                for module in reversed(list(modules.children()))
                if (size := getattr(module, "get_embedding_dimension", lambda: None)())
            ),
            None,
        )
        for route, modules in last.sub_modules.items()
    }
    if len(set(sizes.values()) - {None}) > 1:
        raise ValueError(
            f"The routes of the model make embeddings of different sizes: {sizes}. They cannot be "
            "compared: end each route with a Dense module of the same out_features."
        )


def check_one_transformer(model: SentenceTransformer, argument: str) -> None:
    """Refuse an argument for a single transformer if a model has several.

    Args:
        model: The model.
        argument: Name of the argument.

    Raises:
        ValueError: The model has several transformers.
    """
    count = len({id(m.model) for m in model.modules() if isinstance(m, Transformer)})
    if count > 1:
        raise ValueError(
            f"{argument}=... is for a model with one transformer, but this one has {count}. Leave "
            f"{argument} out, or give the routes as two encoders."
        )
