"""The page: one HTML file that needs neither the network nor the model."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from quaterion_core.storage import whole_file
from quaterion_report import formatting, sections
from quaterion_report.report_data import ReportData

_TEMPLATES: Final = "templates"


def render(data: ReportData) -> str:
    """Return the page as HTML.

    All texts of the data are escaped. The page forbids browsers to load anything, and to run any
    script but its own.

    Args:
        data: What it shows.
    """
    script = _source("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    places = sections.thumbnail_places(data)

    def group_of(object_number: int) -> str | None:
        group = data.groups[object_number] if data.groups and not data.are_roles else -1
        return data.group_names[group] if group >= 0 else None

    return _environment().get_template("page.html").render(
        data=data,
        version=_version(),
        sections=sections.SECTIONS,
        style=Markup(_source("page.css")),
        script=Markup(script),
        script_digest=digest,
        script_data=sections.script_data(data),
        large=places,
        group_of=group_of,
        **sections.summary(data),
        **sections.metrics(data),
        **sections.learning_curves(data),
        **sections.recall(data),
        **sections.similarities(data),
        **sections.hubs(data),
        **sections.embedding_map(data),
        **sections.slices(data),
        **sections.gallery(data),
    )  # fmt: skip


def write_page(data: ReportData, path: Path) -> int:
    """Write the page to a file, whole or not at all, and return its size in bytes.

    Args:
        data: What it shows.
        path: The file; one that exists is replaced.

    Raises:
        OSError: It cannot be written.
    """
    content = render(data).encode()
    with whole_file(path) as stream:
        stream.write(content)
    return len(content)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("quaterion_report", _TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    environment.filters |= {
        "figure": formatting.figure,
        "signed": formatting.signed,
        "count": formatting.count,
        "ordinal": formatting.ordinal,
        "percent": formatting.percent,
    }
    return environment


def _source(name: str) -> str:
    return (files("quaterion_report") / _TEMPLATES / name).read_text(encoding="utf-8")


def _version() -> str:
    try:
        return version("quaterion-report")
    except PackageNotFoundError:  # run from its source
        return "from source"
