"""`quaterion serve`: an HTTP service of a saved model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from quaterion_core.cli.errors import check_exists, user_errors
from quaterion_serving.packages import require_packages

if TYPE_CHECKING:
    from quaterion_core import SimilarityModel
    from quaterion_core.serving import Index
    from quaterion_serving.service.settings import ServiceSettings

KEY: Final = "QUATERION_API_KEY"
_NEEDED: Final = ("fastapi", "PIL", "prometheus_client", "python_multipart", "uvicorn")
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_STOPPING: Final = 10
"""Seconds that requests have to finish when the service stops."""


@click.command()
@click.argument("source", metavar="MODEL|INDEX")
@click.option(
    "--index", "location", metavar="INDEX",
    help="Index to search: the folder that `quaterion index` made, or the URL of its store.",
)  # fmt: skip
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535))
@click.option("--device", help="Where the model runs, such as cpu or cuda; by default a GPU if "
              "there is one.")  # fmt: skip
@click.option("--batch-size", default=32, show_default=True, type=click.IntRange(min=1),
              help="Most objects of several requests that are embedded together.")  # fmt: skip
@click.option("--max-inputs", default=2048, show_default=True, type=click.IntRange(min=1),
              help="Most objects of a request (413).")  # fmt: skip
@click.option("--max-body", default=8, show_default=True, type=click.IntRange(min=1),
              help="Most MiB of a request (413).")  # fmt: skip
@click.option("--max-waiting", default=1024, show_default=True, type=click.IntRange(min=1),
              help="Most objects that wait (429).")  # fmt: skip
@click.option("--timeout", default=30.0, show_default=True,
              type=click.FloatRange(min=0, min_open=True),
              help="Seconds until a request is given up (503).")  # fmt: skip
@click.option("--images", "image_folders", multiple=True, metavar="DIR",
              type=click.Path(path_type=Path, exists=True, file_okay=False),
              help="Folder whose images are shown as thumbnails; by default any on a loopback "
              "address, else none.")  # fmt: skip
@click.option("--allowed-host", "allowed_hosts", multiple=True, metavar="NAME",
              help="Name that clients call the service by; on a loopback address, others than "
              "localhost are refused by default.")  # fmt: skip
def serve(
    source: str,
    location: str | None,
    host: str,
    port: int,
    device: str | None,
    image_folders: tuple[Path, ...],
    allowed_hosts: tuple[str, ...],
    max_body: int,
    **limits: Any,
) -> None:
    """Serve the saved MODEL over HTTP, and search in an index.

    /v1/embeddings is that of OpenAI; /search finds objects of the index, and the page at / searches
    in a browser. With an INDEX instead of a MODEL, its own model is served.

    If the environment variable QUATERION_API_KEY is set, clients have to send it as the header
    "Authorization: Bearer KEY".
    """
    with user_errors():
        require_packages(_NEEDED, "The service", "http")
        from quaterion_core.serving.index import Index, is_index
        from quaterion_serving.service.application import build_application
        from quaterion_serving.service.settings import MEBIBYTE, ServiceSettings

        if is_index(source):
            if location is not None:
                raise click.UsageError("INDEX and --index are the same. Give one of them.")
            opened = Index.open(source)
            index: Index | None = opened
            model, name = _placed(opened.model, device), Path(source).name
        else:
            check_exists(Path(source))
            model, name = _loaded(Path(source), device), Path(source).absolute().name
            index = None if location is None else Index.open(location, model)
        is_local = host in _LOOPBACK
        settings = ServiceSettings(
            **limits,
            max_body=max_body * MEBIBYTE,
            api_key=_key(),
            allowed_hosts=allowed_hosts or (_LOOPBACK if is_local else None),
            image_folders=image_folders or (None if is_local else ()),
        )
        app = build_application(model, index, settings, name=name)
        if settings.api_key is None and not is_local:
            click.echo(
                f"Warning: anybody who reaches {host} can use the service. Set {KEY} to ask for a "
                "key.",
                err=True,
            )
        objects = "" if index is None else f" and {len(index):,} objects"
        click.echo(f"Serving {name}{objects}. Stop with Ctrl-C.", err=True)
        _run(app, host, port, settings)


def _key() -> str | None:
    key = os.environ.get(KEY)
    if key is not None and (not key.strip() or not key.isascii()):
        raise ValueError(f"Expected {KEY} to be a key of ASCII characters, or to be unset.")
    return key


def _loaded(path: Path, device: str | None) -> SimilarityModel:
    from quaterion_core import SimilarityModel

    return _placed(SimilarityModel.load(path), device)


def _placed(model: SimilarityModel, device: str | None) -> SimilarityModel:
    import torch

    return model.to(device or ("cuda" if torch.cuda.is_available() else "cpu"))


def _run(app: Any, host: str, port: int, settings: ServiceSettings) -> None:
    import uvicorn

    uvicorn.run(
        app, host=host, port=port, log_level="info", access_log=False, server_header=False,
        limit_concurrency=settings.max_connections, timeout_graceful_shutdown=_STOPPING,
    )  # fmt: skip
