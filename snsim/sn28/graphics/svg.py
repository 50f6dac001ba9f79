"""Draw a window as SVG, mark by mark, so that the picture is sharp at any size."""

from __future__ import annotations

from itertools import groupby

from snsim.errors import for_terminal
from snsim.sn28.graphics.canvas import (
    DASHES,
    WHITE,
    Block,
    Clipped,
    Color,
    Curve,
    Disc,
    Frame,
    Line,
    Mark,
    Polygon,
    Squares,
    Text,
    Window,
)


def svg(window: Window) -> str:
    """Return the text of an SVG file of a window."""
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{window.width}" height="{window.height}" '
        f'viewBox="0 0 {window.width} {window.height}">',
        f"<title>{_escaped(window.title or f'window {window.number}')}</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        '<g shape-rendering="crispEdges" stroke-width="1" font-family="monospace" xml:space="preserve">',
    ]
    for mark in window.marks:
        lines += _elements(mark)
    return "\n".join([*lines, "</g>", "</svg>", ""])


def _escaped(text: str) -> str:
    """Return text for an element of XML. (The module of Python for it loads all of HTTP.)"""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _elements(mark: Mark) -> list[str]:
    if isinstance(mark, Block):
        return [_path([mark])]
    if isinstance(mark, Squares):  # one path for each run of equal colors
        return [_path(list(run)) for _, run in groupby(mark.blocks(), key=lambda block: block.color)]
    if isinstance(mark, Clipped):
        x, y, width, height = mark.rectangle
        box = f'x="{x}" y="{y}" width="{width}" height="{height}" viewBox="{x} {y} {width} {height}"'
        return [f"<svg {box}>", *_elements(mark.mark), "</svg>"]
    if isinstance(mark, Curve):
        points = " ".join(f"{x + 0.5:g},{y + 0.5:g}" for x, y in mark.points)
        return [f'<polyline points="{points}" fill="none" stroke="{_hex(mark.color)}"{_dashes(mark)}/>']
    if isinstance(mark, Line):
        if (mark.x1, mark.y1) == (mark.x2, mark.y2):
            return [_path([Block(mark.color, mark.x1, mark.y1, 1, 1)])]
        return [
            f'<line x1="{mark.x1 + 0.5}" y1="{mark.y1 + 0.5}" x2="{mark.x2 + 0.5}" y2="{mark.y2 + 0.5}" '
            f'stroke="{_hex(mark.color)}"{_dashes(mark)}/>'
        ]
    if isinstance(mark, Frame):
        left, top, right, bottom = mark.bounds
        return [
            f'<rect x="{left + 0.5}" y="{top + 0.5}" width="{max(right - left - 1, 0)}" '
            f'height="{max(bottom - top - 1, 0)}" fill="none" stroke="{_hex(mark.color)}"/>'
        ]
    if isinstance(mark, Disc):
        paint = f'fill="{_hex(mark.color)}"' if mark.filled else f'fill="none" stroke="{_hex(mark.color)}"'
        return [
            f'<circle cx="{mark.x + 0.5}" cy="{mark.y + 0.5}" r="{mark.radius + (0.5 if mark.filled else 0)}" {paint} '
            'shape-rendering="auto"/>'
        ]
    if isinstance(mark, Polygon):
        points = " ".join(f"{x + 0.5},{y + 0.5}" for x, y in mark.points)
        return [f'<polygon points="{points}" fill="{_hex(mark.color)}" fill-rule="evenodd"/>']
    return _text(mark) if isinstance(mark, Text) else []


def _dashes(mark: Line | Curve) -> str:
    """Return the attribute for the gaps of a dashed line, or ""."""
    return f' stroke-dasharray="{" ".join(map(str, DASHES[mark.dash]))}"' if mark.dash else ""


def _path(blocks: list[Block]) -> str:
    steps = "".join(f"M{b.x} {b.y}h{b.width}v{b.height}h{-b.width}z" for b in blocks)
    return f'<path fill="{_hex(blocks[0].color)}" d="{steps}"/>'


def _text(mark: Text) -> list[str]:
    left, top, right, bottom = mark.bounds
    return [
        f'<rect x="{left:g}" y="{top:g}" width="{right - left:g}" height="{bottom - top:g}" fill="{_hex(WHITE)}"/>',
        f'<text x="{mark.x}" y="{mark.y}" font-size="{mark.size:g}" textLength="{right - left:g}" '
        f'fill="{_hex(mark.color)}">{_escaped(for_terminal(mark.text))}</text>',
    ]


def _hex(color: Color) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)
