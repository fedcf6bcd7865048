"""Models of sentence-transformers that treat queries and documents by different modules."""

from __future__ import annotations

from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Router, Transformer

from quaterion_core.dataset.text_roles import Document, Query


def own_prompts(model: SentenceTransformer) -> dict[str, str]:
    """Return the prompts of a model by role, those that its own encode methods use.

    ``encode_query`` uses the prompt ``"query"``, and ``encode_document`` the first that there is
    of ``"document"``, ``"passage"`` and ``"corpus"``. An empty one keeps the default prompt away.
    """
    names = {Query.role: ("query",), Document.role: ("document", "passage", "corpus")}
    return {
        role: next(model.prompts[name] or "" for name in candidates if name in model.prompts)
        for role, candidates in names.items()
        if any(name in model.prompts for name in candidates)
    }


def depends_on_role(model: SentenceTransformer) -> bool:
    """Tell whether a model embeds one text differently as a query and as a document.

    Its prompts aside, it does if it has a ``Router`` (formerly ``Asym``), or a transformer with
    lengths of their own for queries or documents.
    """
    return any(
        isinstance(module, Router)
        or (
            isinstance(module, Transformer)
            and (module.query_length, module.document_length, module.query_expansion)
            != (None, None, None)
        )
        for module in model.modules()
    )


def check_routes(model: SentenceTransformer) -> None:
    """Refuse a model whose routes make embeddings of different sizes.

    Raises:
        ValueError: They do.
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
    """Refuse an argument that is for one transformer where a model has several.

    Args:
        model: The model.
        argument: What the argument is called.

    Raises:
        ValueError: The model has several transformers.
    """
    count = len({id(m.model) for m in model.modules() if isinstance(m, Transformer)})
    if count > 1:
        raise ValueError(
            f"{argument}=... is for a model with one transformer, but this one has {count}. Leave "
            f"{argument} out, or give the routes as two encoders."
        )
