"""Elements of SVG as markup in which every text and attribute is escaped."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape


def element(tag: str, *content: object, **attributes: object) -> Markup:
    """Return an element.

    Args:
        tag: Its name.
        content: What is in it, one after the other: texts are escaped, markup is kept.
        attributes: Its attributes. ``class_`` stands for ``class``, and underscores for hyphens.
            An attribute that is ``None`` is left out.

    Example:
        >>> element("text", "a < b", x=1.0, text_anchor="end")
        Markup('<text x="1" text-anchor="end">a &lt; b</text>')
    """
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(number(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{tag}{written}>{joined(content)}</{tag}>")


def joined(parts: Iterable[object]) -> Markup:
    """Return texts, which are escaped, and markup, one after the other."""
    return Markup("").join(map(escape, parts))


def number(value: object) -> object:
    """Return a number as short as a picture needs it, and anything else unchanged.

    Example:
        >>> number(3.14159), number(-0.5), number(-0.01), number("2.0")
        ('3.1', '-0.5', '0', '2.0')
    """
    if not isinstance(value, float):
        return value
    return f"{round(value, 1) + 0.0:.1f}".removesuffix(".0")  # 0.0 makes 0 of minus 0


def polyline(points: Iterable[tuple[float, float]]) -> str:
    """Return the path through points.

    Example:
        >>> polyline([(0.0, 1.0), (2.5, 3.0)])
        'M0 1L2.5 3'
    """
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points)
