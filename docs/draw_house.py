"""Draw the house: which room of snsim imports which, as docs/house.svg.

    python docs/draw_house.py           (or: make house)

A room is a folder or a file directly below snsim/. A room stands one floor above the highest room that it imports.
An arrow that follows from two others is left out: A -> C, where A -> B -> C. tests/test_house.py reads the same graph.
"""

from __future__ import annotations

import ast
import functools
import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "snsim"
PICTURE = ROOT / "docs" / "house.svg"
Graph = Mapping[str, set[str]]


def module_paths(package: Path = PACKAGE) -> dict[str, Path]:
    """Return the file of each module of the package, by its dotted name."""
    paths = sorted(package.rglob("*.py"))
    return {".".join(p.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__"): p for p in paths}


@dataclass(frozen=True)
class ModuleText:
    """What a file says of itself: its docstring, and (full name, line, whether it comes late) of each import.

    An import inside a function or under TYPE_CHECKING comes late.
    """

    docstring: str | None
    imports: tuple[tuple[str, int, bool], ...]


@functools.cache
def read_module(path: Path) -> ModuleText:
    """Read a file. Each is parsed once: the tests of the house ask for the same files many times."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: list[tuple[str, int, bool]] = []
    waiting: list[tuple[ast.AST, bool]] = [(tree, False)]
    while waiting:
        node, late = waiting.pop()
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno, late) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{path}:{node.lineno}: a relative import")
            found += [(f"{node.module}.{alias.name}", node.lineno, late) for alias in node.names]
        elif isinstance(node, ast.expr):
            continue  # no expression holds an import
        late = (
            late
            or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            or (isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"))
        )
        waiting += [(inner, late) for inner in ast.iter_child_nodes(node)]
    return ModuleText(ast.get_docstring(tree), tuple(sorted(found, key=lambda row: row[1])))


def imports(path: Path, at_start_only: bool = False) -> Iterator[tuple[str, int]]:
    """Yield the full name and the line of each import of a file, without the late ones if `at_start_only`."""
    for name, line, late in read_module(path).imports:
        if not (late and at_start_only):
            yield name, line


def module_graph(paths: Mapping[str, Path]) -> dict[str, set[str]]:
    """Return, for each module, the modules of the package that it imports anywhere."""
    graph: dict[str, set[str]] = {}
    for module, path in paths.items():
        names = {name for name, _ in imports(path)}
        found = {name if name in paths else name.rpartition(".")[0] for name in names}
        graph[module] = (found & set(paths)) - {module}
    return graph


def room_of(module: str) -> str:
    """Return the room of a module: "engines" of "snsim.engines.plan"."""
    return module.split(".")[1] if "." in module else "__init__"


def room_graph(modules: Graph) -> dict[str, set[str]]:
    """Return, for each room, the other rooms that it imports. Importing the bare package counts as no room."""
    rooms: dict[str, set[str]] = defaultdict(set)
    for module, targets in modules.items():
        rooms[room_of(module)] |= {room_of(target) for target in targets} - {"__init__"}
    return {room: targets - {room} for room, targets in sorted(rooms.items())}


def circles(graph: Graph) -> list[list[str]]:
    """Return the sets of nodes that reach one another, of two nodes or more (Tarjan 1972)."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        number[node] = low[node] = len(number)
        stack.append(node)
        for other in sorted(graph[node]):
            if other not in number:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], number[other])
        if low[node] == number[node]:
            start = stack.index(node)
            if len(stack) - start > 1:
                found.append(sorted(stack[start:]))
            del stack[start:]

    for node in sorted(graph):
        if node not in number:
            visit(node)
    return found


def floors(rooms: Graph) -> dict[str, int]:
    """Return the floor of each room, from 1: the length of the longest chain of imports from it. No circle allowed."""
    floor: dict[str, int] = {}

    def climb(room: str) -> int:
        if room not in floor:
            floor[room] = 1 + max((climb(other) for other in rooms[room]), default=0)
        return floor[room]

    for room in rooms:
        climb(room)
    return floor


def needed_arrows(rooms: Graph) -> list[tuple[str, str]]:
    """Return the arrows that do not follow from others: the transitive reduction."""
    below: dict[str, set[str]] = {}

    def reach(room: str) -> set[str]:
        if room not in below:
            below[room] = set(rooms[room]).union(*(reach(other) for other in rooms[room]))
        return below[room]

    for room in rooms:
        reach(room)
    return [
        (room, other)
        for room in rooms
        for other in sorted(rooms[room])
        if not any(other in below[between] for between in rooms[room])
    ]


_WIDTH, _STOREY, _BOX, _ROW, _TOP = 1060, 92, 120, 34, 30  # pixels: picture, floor to floor, box, box height, margin
_SWEEPS = 12  # over the floors, to find an order with few crossings


def draw(rooms: Graph) -> str:
    """Return the picture as SVG: low floors at the bottom, an arrow from a room to each room that it imports.

    An arrow over several floors has a point of its own on each floor between, so that it passes beside the boxes
    (Sugiyama, Tagawa and Toda 1981).
    """
    floor = floors(rooms)
    chains = [_chain(source, target, floor) for source, target in needed_arrows(rooms)]
    place = _places(_ordered(rooms, floor, chains), max(floor.values()))
    height = _TOP + max(floor.values()) * _STOREY - (_STOREY - _ROW) + _TOP
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" '
        'font-size="14">',
        "<title>The rooms of snsim: an arrow goes from a room to each room that it imports</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#7a8a99"/></marker></defs>',
    ]
    for level in range(1, max(floor.values()) + 1):
        y = _TOP + (max(floor.values()) - level) * _STOREY
        lines.append(f'<text x="10" y="{y + 22}" fill="#99a5b0">{level}</text>')
    for chain in chains:
        x, y = place[chain[0]]
        path = [f"M{x:.0f} {y + _ROW:.0f}"]
        y += _ROW
        for node in chain[1:]:
            x2, y2 = place[node]
            middle = (y + y2) / 2
            path.append(f"C{x:.0f} {middle:.0f} {x2:.0f} {middle:.0f} {x2:.0f} {y2:.0f}")
            x, y = x2, y2
            if node is not chain[-1]:
                y += _ROW
                path.append(f"L{x:.0f} {y:.0f}")
        lines.append(
            f'<path d="{" ".join(path)}" fill="none" stroke="#7a8a99" stroke-width="1.2" marker-end="url(#tip)"/>'
        )
    for room in rooms:
        x, y = place[room]
        is_folder = (PACKAGE / room).is_dir()
        lines.append(
            f'<rect x="{x - _BOX / 2:.0f}" y="{y:.0f}" width="{_BOX}" height="{_ROW}" rx="5" '
            f'fill="{"#e3eef8" if is_folder else "#f6f2e6"}" stroke="#52708c"/>'
        )
        label = room + ("/" if is_folder else ".py")
        lines.append(f'<text x="{x:.0f}" y="{y + 22:.0f}" text-anchor="middle" fill="#1c2833">{escape(label)}</text>')
    return "\n".join([*lines, "</svg>", ""])


Node = str | tuple[str, str, int]  # a room, or the point of an arrow (source, target) on a floor


def _chain(source: str, target: str, floor: Mapping[str, int]) -> list[Node]:
    return [source, *((source, target, level) for level in range(floor[source] - 1, floor[target], -1)), target]


def _ordered(rooms: Graph, floor: Mapping[str, int], chains: list[list[Node]]) -> dict[int, list[Node]]:
    """Order the nodes of each floor by the mean place of their neighbours, in sweeps up and down."""
    levels: dict[int, list[Node]] = {level: [] for level in range(1, max(floor.values()) + 1)}
    for room in sorted(rooms):
        levels[floor[room]].append(room)
    neighbours: dict[Node, list[Node]] = defaultdict(list)
    for chain in chains:
        for node in chain[1:-1]:
            levels[node[2]].append(node)  # type: ignore[arg-type,call-overload]
        for upper, lower in itertools.pairwise(chain):
            neighbours[upper].append(lower)
            neighbours[lower].append(upper)
    for sweep in range(_SWEEPS):
        for level in sorted(levels, reverse=bool(sweep % 2)):
            place = _places(levels, max(floor.values()))
            levels[level].sort(
                key=lambda node: sum(place[n][0] for n in neighbours[node]) / max(1, len(neighbours[node]))
            )
    return levels


def _places(levels: Mapping[int, list[Node]], top: int) -> dict[Node, tuple[float, float]]:
    """Return the place of each node in pixels: the middle of the upper edge."""
    place: dict[Node, tuple[float, float]] = {}
    for level, nodes in levels.items():
        widths = [3.0 if isinstance(node, str) else 1.0 for node in nodes]
        unit = (_WIDTH - 40) / sum(widths)
        x = 40.0
        for node, width in zip(nodes, widths):
            place[node] = (x + width * unit / 2, _TOP + (top - level) * _STOREY)
            x += width * unit
    return place


def main() -> None:
    """Write the picture."""
    rooms = room_graph(module_graph(module_paths()))
    PICTURE.write_text(draw({room: targets for room, targets in rooms.items() if room != "__init__"}), encoding="utf-8")
    print(f"wrote {PICTURE.relative_to(ROOT)}: {len(rooms) - 1} rooms on {max(floors(rooms).values())} floors")


if __name__ == "__main__":
    main()
