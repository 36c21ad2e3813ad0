"""Draws the pictures that checks attached to results: curves and matrices as SVG, rows of images as they came.

By hand, since a page has many and a class many pages: Matplotlib takes 40 to 70 ms and 15 kB for one of them, this a
fraction of a millisecond and 3 kB. Colours keep their contrast in print, and lines differ by their dashes too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from markupsafe import Markup, escape

from grader.results import Picture

WIDTH, HEIGHT = 440, 230  # of a curve
LEFT, RIGHT, TOP, BOTTOM = 60, 14, 10, 40  # room around it, for numbers and names
COLOURS = ("#b83a05", "#1d4ed8", "#15703d", "#7e22ce")
DASHES = ("", "7 4", "2 3", "9 3 2 3")
CELL = 32  # of a matrix
LETTER = 7  # about the width of one
PALE, DARK = (255, 248, 242), (150, 45, 5)  # a matrix's lowest and highest cell
WHITE_FROM = 0.75  # of the way from pale to dark, numbers are white: the contrast is 4.5 or more on either side
MOST_NUMBERED = 12  # columns, for numbers to fit into cells
BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")


def draw(picture: Picture) -> Markup:
    """The picture as HTML; nothing if there is nothing to be seen in it."""
    drawn = {"curve": _curve, "matrix": _matrix, "images": _images}[picture.kind](picture)
    return Markup("<figure><figcaption>{}</figcaption>{}</figure>").format(picture.title, drawn) if drawn else drawn


def short(value: float) -> str:
    """A number as short as it may be: 2.3, 0.047, 1e-9."""
    return f"{value:.3g}".replace("e+0", "e").replace("e-0", "e-")


def _svg(width: float, height: float, told: str, inside: list[str]) -> Markup:
    """An SVG of elements whose text is escaped already; `told` says what they show."""
    size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}"'
    return Markup(f'<svg {size} role="img" aria-label="{escape(told)}">{"".join(inside)}</svg>')


def _text(x: float, y: float, text: str, more: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}"{more}>{escape(text)}</text>'


def _turned(x: float, y: float) -> str:
    return f' transform="rotate(-90 {x:g} {y:g})"'


# ---------------------------------------------------------------------------------------------------- curves


def _curve(picture: Picture) -> Markup:
    lines = {
        name: [(x, y) for x, y in zip(places, heights, strict=False) if x is not None]
        for name, (places, heights) in list(picture.lines.items())[: len(COLOURS)]
    }
    seen = [(x, y) for line in lines.values() for x, y in line if y is not None]
    if not seen:
        return Markup("")
    xs, ys = zip(*seen, strict=True)
    across, up = _ticks(xs, whole=all(x == round(x) for x in xs)), _ticks(ys)
    scale_x = (WIDTH - LEFT - RIGHT) / (across[-1] - across[0])
    scale_y = (HEIGHT - TOP - BOTTOM) / (up[-1] - up[0])

    def at(x: float, y: float) -> tuple[float, float]:
        return round(LEFT + scale_x * (x - across[0]), 1), round(HEIGHT - BOTTOM - scale_y * (y - up[0]), 1)

    middle, end = ' class="m"', ' class="e"'
    inside = []
    for tick in up:
        _, y = at(across[0], tick)
        inside += [f'<path class="grid" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>', _text(LEFT - 6, y + 4, short(tick), end)]
    inside += [_text(at(tick, up[0])[0], HEIGHT - BOTTOM + 16, short(tick), middle) for tick in across]
    inside += [_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, picture.across, middle)]
    half = (TOP + HEIGHT - BOTTOM) / 2
    inside += [_text(12, half, picture.up, middle + _turned(12, half))]
    for order, line in enumerate(lines.values()):
        drawn = [at(x, y) if y is not None else None for x, y in line]
        inside += [f'<path class="line" d="{_path(drawn)}" {_stroke(order)}/>']
        if len(drawn) == 1 and drawn[0] is not None:
            inside += [f'<circle cx="{drawn[0][0]}" cy="{drawn[0][1]}" r="5" fill="{COLOURS[order]}"/>']
    told = "; ".join(f"{name} {_told(line)}" for name, line in lines.items())
    svg = _svg(WIDTH, HEIGHT, f"{picture.title}. {picture.up} over {picture.across}: {told}.", inside)
    legend = "".join(
        f'<span><svg width="28" height="8" aria-hidden="true"><path class="line" d="M0 4H28" {_stroke(order)}/></svg> '
        f"{escape(name)}</span>"
        for order, name in enumerate(lines)
    )
    return svg + Markup(f'<p class="legend">{legend}</p>')


def _ticks(values: Sequence[float], whole: bool = False) -> list[float]:
    """Two to seven round (or whole) numbers, the first at most the least value, the last at least the greatest."""
    low, high = min(values), max(values)
    if high - low <= 1e-6 * max(abs(low), abs(high), 1e-20):
        reach = max(abs(low) / 2, 1e-20)
        low, high = low - reach, high + reach
    step = 10.0 ** math.floor(math.log10(high - low))
    step *= next(part for part in (0.2, 0.5, 1, 2) if (high - low) / (step * part) <= 5.001)
    step = max(1.0, step) if whole else step
    first, last = math.floor(low / step + 1e-6), math.ceil(high / step - 1e-6)
    return [tick * step for tick in range(first, last + 1)]


def _path(points: list[tuple[float, float] | None]) -> str:
    """A line through the points; None is a gap."""
    commands, pen = [], "M"
    for point in points:
        if point is not None:
            commands.append(f"{pen}{point[0]:g} {point[1]:g}")
        pen = "M" if point is None else "L"
    return "".join(commands)


def _stroke(order: int) -> str:
    return f'stroke="{COLOURS[order]}" stroke-dasharray="{DASHES[order]}"'


def _told(line: list[tuple[float, float | None]]) -> str:
    """A line for those who do not see it."""
    heights = [y for _, y in line if y is not None]
    if len(heights) < 2:
        return short(heights[0]) if heights else "without a number"
    broken = "" if len(heights) == len(line) else f", {len(line) - len(heights)} of {len(line)} no finite number"
    return f"goes from {short(heights[0])} to {short(heights[-1])}, lowest {short(min(heights))}{broken}"


# -------------------------------------------------------------------------------------------------- matrices


def _matrix(picture: Picture) -> Markup:
    cells = picture.cells
    finite = [cell for row in cells for cell in row if cell is not None]
    if not finite:
        return Markup("")
    rows, columns = len(cells), max(map(len, cells))
    labels = picture.labels or [str(i) for i in range(max(rows, columns))]
    low, high = min(0.0, *finite), max(finite)
    cell = CELL if columns <= MOST_NUMBERED else CELL // 2
    steep = len(max(labels, key=len)) > 3 or columns > MOST_NUMBERED  # labels of columns stand upright
    room = 10 + LETTER * max(map(len, labels))
    left, top = 22 + room, 24 + (room if steep else 16)
    middle, end, width, height = ' class="m"', ' class="e"', cell * columns, cell * rows
    inside = [_text(left + width / 2, 14, picture.across, middle)]
    inside += [_text(12, top + height / 2, picture.up, middle + _turned(12, top + height / 2))]
    inside += [f'<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="{_shade(0)}"/>']
    for i in range(columns):
        x, y = left + cell * (i + 0.5), top - 6
        inside += [_text(x + 4, y, labels[i], _turned(x + 4, y)) if steep else _text(x, y, labels[i], middle)]
    for i, row in enumerate(cells):
        y = top + cell * i
        inside += [_text(left - 6, y + cell / 2 + 4, labels[i], end)]
        for j, value in enumerate(row):
            share = 0.0 if value is None or high == low else ((value - low) / (high - low)) ** 0.5
            x = left + cell * j
            if share:
                inside += [f'<rect x="{x}" y="{y}" width="{cell}" height="{cell}" fill="{_shade(share)}"/>']
            if columns <= MOST_NUMBERED and (value is None or abs(value) >= 0.005):
                shown = ' class="m white"' if share > WHITE_FROM else middle
                inside += [f'<text x="{x + cell // 2}" y="{y + cell // 2 + 4}"{shown}>{_cell(value)}</text>']
    told = f"{picture.title}. A table of {picture.up} by {picture.across}: {_table_told(cells, labels)}."
    return _svg(left + width + 4, top + height + 4, told, inside)


def _shade(share: float) -> str:
    """A colour so far on the way from pale to dark."""
    return "#" + "".join(f"{round(p + share * (d - p)):02x}" for p, d in zip(PALE, DARK, strict=True))


def _cell(value: float | None) -> str:
    """Four characters or less, where that can be."""
    if value is None:
        return "?"
    if value == round(value) or abs(value) >= 100:
        return f"{value:.4g}"
    return f"{value:.2f}".replace("0.", ".", 1)


def _table_told(cells: list[list[float | None]], labels: list[str]) -> str:
    """The table row by row: what is not 0 in it."""
    told = []
    for label, row in zip(labels, cells, strict=False):
        named = [f"{labels[j]} {_cell(value)}" for j, value in enumerate(row) if value != 0]
        told.append(f"{label}: {', '.join(named) or 'nothing'}")
    return "; ".join(told)


# ---------------------------------------------------------------------------------------------------- images


def _images(picture: Picture) -> Markup:
    row = Markup(
        '<p class="strip">{}<br><img src="data:image/png;base64,{}" alt="{}: {}, a row of small grey images"></p>'
    )
    strips = [(name, strip) for name, strip in picture.strips.items() if BASE64.fullmatch(strip)]
    return Markup("").join(row.format(name, strip, picture.title, name) for name, strip in strips)
