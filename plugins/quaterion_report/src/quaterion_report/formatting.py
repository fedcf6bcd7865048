"""Numbers and names as a page writes them."""

from __future__ import annotations

from collections.abc import Sequence


def figure(value: float) -> str:
    """Return a value of a metric.

    Example:
        >>> figure(0.76706), figure(-0.0004), figure(12.34567), figure(1234.5)
        ('0.767', '0.000', '12.3', '1,234')
    """
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace("-", "−")
    text = f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
    return "0.000" if text == "-0.000" else text.replace("-", "−")


def signed(value: float) -> str:
    """Return a difference with its sign.

    Example:
        >>> signed(0.0123), signed(-0.5), signed(0.0)
        ('+0.012', '−0.500', '0.000')
    """
    text = figure(value)
    return text if text.startswith("−") or text == "0.000" else f"+{text}"


def count(value: float) -> str:
    """Return a number of things, with a comma for thousands."""
    return f"{value:,.0f}"


def ordinal(value: int) -> str:
    """Return a rank as a word.

    Example:
        >>> [ordinal(value) for value in (1, 2, 3, 11, 112, 1021)]
        ['1st', '2nd', '3rd', '11th', '112th', '1,021st']
    """
    suffix = "th" if value % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(value % 10)
    return f"{value:,}{suffix or 'th'}"


def percent(share: float) -> str:
    """Return a share in percent, with three digits.

    Example:
        >>> percent(0.123456), percent(0.000012), percent(0.0), percent(1.0)
        ('12.3 %', '0.0012 %', '0 %', '100 %')
    """
    if share in (0, 1):
        return f"{share:.0%}".replace("%", " %")
    digits = f"{100 * share:.3g}" if abs(share) >= 1e-4 else f"{100 * share:.4f}"
    return f"{digits} %"


def p_value(value: float | None) -> str:
    """Return a p value, small ones only as such.

    Example:
        >>> p_value(0.0412), p_value(0.0001), p_value(None)
        ('0.041', '< 0.001', '–')
    """
    if value is None:
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def enumerated(names: Sequence[str]) -> str:
    """Join names to an enumeration.

    Example:
        >>> enumerated(["a"]), enumerated(["a", "b", "c"])
        ('a', 'a, b and c')
    """
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
