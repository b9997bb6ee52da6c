"""Charts as SVG text, drawn by hand from results: lines over a budget, bars side by side.

Nothing but text comes out, so that a chart can be compared, reviewed and shown by any browser.
Colours are those of M. Okabe and K. Ito, "Color universal design", 2008: most eyes tell them apart.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")
WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 56, 168, 40, 44
"""Margins of a chart of lines."""
BAR, GAP, LABELS = 16, 6, 230
"""Height of a bar, what is between two, and the width of their names."""

Points = Sequence[tuple[float, float, float, float]]
"""(x, y, low, high) of a line, in order of x."""


def lines(series: Mapping[str, Points], *, title: str, across: str, up: str) -> str:
    """Draws shares, 0 to 1, over a budget on a scale of powers of 2, with a band for intervals.

    >>> svg = lines({"a": [(8, 0.1, 0.0, 0.2), (16, 0.4, 0.3, 0.5)]}, title="t", across="K", up="r")
    >>> svg.count("<polyline"), svg.count("<polygon")
    (1, 1)
    """
    budgets = sorted({x for points in series.values() for x, *_ in points})
    low, high = math.log2(budgets[0]), math.log2(budgets[-1])

    def at(x: float, y: float) -> str:
        share = (math.log2(x) - low) / (high - low) if high > low else 0.5
        across_px = LEFT + share * (WIDTH - LEFT - RIGHT)
        return f"{across_px:.1f},{HEIGHT - BOTTOM - y * (HEIGHT - TOP - BOTTOM):.1f}"

    parts = [_text(LEFT, 22, title, weight="bold"), *_axes(at, budgets, across=across, up=up)]
    for i, (name, points) in enumerate(series.items()):
        colour, y = COLOURS[i % len(COLOURS)], TOP + 10 + 18 * i
        dash = ' stroke-dasharray="5 3"' if i >= len(COLOURS) else ""
        band = [at(x, top) for x, _, _, top in points]
        band += [at(x, bottom) for x, _, bottom, _ in reversed(points)]
        middle = " ".join(at(x, value) for x, value, _, _ in points)
        stroke = f'stroke="{colour}" stroke-width="2"{dash}'
        parts.append(f'<polygon points="{" ".join(band)}" fill="{colour}" opacity="0.1"/>')
        parts.append(f'<polyline points="{middle}" fill="none" {stroke}/>')
        key = WIDTH - RIGHT + 14
        parts.append(f'<line x1="{key}" y1="{y}" x2="{key + 22}" y2="{y}" {stroke}/>')
        parts.append(_text(key + 28, y + 4, name))
    return _document(parts, WIDTH, HEIGHT)


def bars(groups: Mapping[str, Mapping[str, float | str]], *, title: str, unit: str) -> str:
    """Draws numbers as bars, a group under each heading; a text stands where there is no number.

    Each group has a scale of its own. A name that begins with "fewframes" has the first colour.

    >>> bars({"decode": {"fewframes": 1.0, "b": "wrong"}}, title="t", unit="s").count("<rect")
    2
    """
    parts, y = [_text(12, 22, title, weight="bold")], 44.0
    for heading, rows in groups.items():
        parts.append(_text(12, y + 10, heading, colour="#444"))
        y += 20
        numbers = [value for value in rows.values() if isinstance(value, int | float)]
        for name, value in rows.items():
            parts.append(_text(LABELS - 8, y + 12, name, anchor="end"))
            if isinstance(value, str):
                parts.append(_text(LABELS + 4, y + 12, value, colour="#888"))
            else:
                parts.append(_bar(y, value, max(numbers), is_ours=name.startswith("fewframes")))
                words = f"{value:.3g} {unit}"
                end = LABELS + (WIDTH - LABELS - 110) * value / max(numbers)
                parts.append(_text(end + 6, y + 12, words))
            y += BAR + GAP
        y += 10
    return _document(parts, WIDTH, round(y))


def _bar(y: float, value: float, largest: float, *, is_ours: bool) -> str:
    wide = (WIDTH - LABELS - 110) * value / largest
    colour = COLOURS[0] if is_ours else COLOURS[-1]
    return f'<rect x="{LABELS}" y="{y:.1f}" width="{wide:.1f}" height="{BAR}" fill="{colour}"/>'


def _axes(
    at: Callable[[float, float], str], budgets: Sequence[float], *, across: str, up: str
) -> list[str]:
    """Lines at every fifth, a number at every budget."""
    parts = []
    for fifth in range(6):
        (x1, y), (x2, _) = (at(x, fifth / 5).split(",") for x in (budgets[0], budgets[-1]))
        parts.append(f'<line x1="{x1}" y1="{y}" x2="{x2}" y2="{y}" stroke="#ddd"/>')
        parts.append(_text(LEFT - 8, float(y) + 4, f"{fifth / 5:.1f}", anchor="end"))
    for budget in budgets:
        x = float(at(budget, 0).split(",")[0])
        parts.append(_text(x, HEIGHT - BOTTOM + 16, f"{budget:g}", anchor="middle"))
    middle = (LEFT + WIDTH - RIGHT) / 2
    turned = f'transform="rotate(-90 14 {HEIGHT / 2:.0f})"'
    parts.append(_text(middle, HEIGHT - 8, across, anchor="middle"))
    parts.append(_text(14, HEIGHT / 2, up, anchor="middle", more=turned))
    return parts


def _text(
    x: float,
    y: float,
    words: str,
    *,
    anchor: str = "start",
    weight: str = "normal",
    colour: str = "#222",
    more: str = "",
) -> str:
    style = f'text-anchor="{anchor}" font-weight="{weight}" fill="{colour}" {more}'.rstrip()
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(words)}</text>'


def _document(parts: Sequence[str], width: int, height: int) -> str:
    head = f'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
    font = 'font-family="Helvetica, Arial, sans-serif" font-size="12"'
    background = f'<rect width="{width}" height="{height}" fill="white"/>'
    body = "\n".join([background, *parts])
    return f'<svg {head} width="{width}" height="{height}" {font}>\n{body}\n</svg>\n'
