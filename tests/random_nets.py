"""Random nets as text in the language: every scheme, shape, border and nlf, for tests that compare engines."""

from __future__ import annotations

import random

from snsim.errors import Source
from snsim.network.net import Net
from snsim.program import read_program

_NLFS = (
    "sn-tanh",
    "tanh",
    "sigmoid",
    "relu",
    "linear",
    "nlf-tanh 0.666 0.05",
    "(/ x (+ 1 (abs x)))",
    "(log (+ 1 (exp x)))",
    "(if (< (abs x) 0.5) (* x x) (sqrt (+ 0.1 (abs x))))",
)


def random_net(seed: int) -> Net:
    """A net of at most some thousand connections."""
    return read_program(Source("<random>", random_text(seed))).nets.get("random")


def random_text(seed: int) -> str:
    """The text of `random_net`: a net that is called random, its layers l0 to lN, with the tables that it uses."""
    draw = random.Random(seed)
    tdnn = draw.random() < 0.15
    shapes: list[tuple[int, ...]] = [(draw.randint(4, 9), draw.randint(1, 5)) if tdnn else _input_shape(draw)]
    layers, connections, tables = [], [], []
    for number in range(draw.randint(1, 4)):
        shape, clause = _entering(draw, shapes[-1], len(shapes) - 1, tables, tdnn)
        shapes.append(shape)
        layers.append(_layer(draw, f"l{len(shapes) - 1}", shape))
        connections.append(clause)
        if number and draw.random() < 0.3:  # a second source, or a connection over layers between
            below = draw.randrange(len(shapes) - 2) if len(shapes) > 2 else 0
            scheme = "(one-to-one)" if _units(shapes[below]) == _units(shape) else "(full)"
            connections.append(f"(connect l{below} l{len(shapes) - 1} {scheme}{_scale(draw)})")
    outputs = draw.randint(1, 20)
    layers.append(_layer(draw, f"l{len(shapes)}", (outputs,)))
    connections.append(f"(connect l{len(shapes) - 1} l{len(shapes)} {_last(draw, _units(shapes[-1]), outputs)})")
    connections = _with_weight_norm(random.Random(-seed - 1), connections)
    connections = _with_distance(random.Random(-seed - 4), connections)
    connections = _with_codes(random.Random(-seed - 5), connections, shapes, outputs)
    _add_twin(random.Random(-seed - 2), layers, connections)
    _add_pooling(random.Random(-seed - 3), shapes, layers, connections)
    first = f"(layer l0 {_text(shapes[0])})"
    if second := _second_input(random.Random(-seed - 6), layers, connections):
        first = f"{first[:-1]} (input))"
        layers.insert(0, second)
    return "\n".join([*tables, "(net random", f"  {first}", *(f"  {c}" for c in [*layers, *connections])]) + ")"


def random_mixture(seed: int) -> Net:
    """A net that has weights-of, distance, codes, max-mask and average-mask, each at least once, with smooth nlfs."""
    return read_program(Source("<mixture>", random_mixture_text(seed))).nets.get("mixture")


def random_mixture_text(seed: int) -> str:
    """The text of `random_mixture`: two towers of windows with the same weights, one pooled and averaged, and codes."""
    draw = random.Random(seed)
    maps, rows, columns = draw.choice((1, 2, 3)), draw.randint(5, 8), draw.randint(5, 8)
    window, border = [draw.randint(1, 3) for _ in range(2)], draw.choice((0, 1))
    targets, wide = draw.randint(1, 5), [n + 2 * border - w + 1 for n, w in zip((rows, columns), window)]
    pools = [[draw.randint(1, min(3, n)) for n in wide] for _ in range(2)]
    steps = [draw.randint(1, 2) for _ in range(2)]
    pooled, averaged = (
        (targets, *((n - p) // step + 1 for n, p in zip(wide, pool))) for pool, step in zip(pools, steps)
    )
    units, outputs = draw.randint(2, 6), draw.randint(1, 5)
    distances = [draw.random() < 0.5 for _ in range(3)]
    distances[draw.randrange(3)] = True  # of the windows, of the codes, and of the last layer
    windows, codes, last = (" (distance)" if distance else "" for distance in distances)
    rows_of_codes = ") (".join(
        " ".join(draw.choice(("x", "-", "0.25", "-0.5")) for _ in range(_units(pooled))) for _ in range(units)
    )
    edge = f" (border {border} {draw.choice((-1, 0.5))})" if border else ""
    # Squares of distances are large: without a smaller scale the states would leave the range where nlfs are not flat.
    small = draw.choice(("(nlf (tanh (* 0.05 x)))", "(nlf (/ x (+ 20 (* x x))))"))
    smooth = draw.choice(("sn-tanh", "sigmoid", "(log (+ 1 (exp (* 0.1 x))))"))
    bias = draw.choice(("unit", "map", "none"))
    return f"""(net mixture
  (layer input {_text((maps, rows, columns))})
  (layer seen {_text((targets, *wide))} {small} (bias {bias}))
  (layer twin {_text((targets, *wide))} (nlf {smooth}) (bias {bias}))
  (layer pooled {_text(pooled)} (nlf {smooth}))
  (layer averaged {_text(averaged)} (nlf {smooth}))
  (layer coded {units} {small})
  (layer output {outputs} {draw.choice((small, "(nlf linear)"))})
  (connect input seen (mask {window[0]} {window[1]}){edge}{windows})
  (connect input twin (weights-of input seen))
  (connect seen pooled (max-mask {pools[0][0]} {pools[0][1]}) (step {steps[0]}))
  (connect seen averaged (average-mask {pools[1][0]} {pools[1][1]}) (step {steps[1]}))
  (connect pooled coded (full) (codes ({rows_of_codes})){draw.choice(("", " (fixed)"))}{codes})
  (connect averaged coded (full))
  (connect coded output (full){last})
  (connect twin output (full)))"""


def _with_weight_norm(draw: random.Random, connections: list[str]) -> list[str]:
    """The clauses, some of those that can have it with weight-norm."""
    lacks = ("(one-to-one)", "(pairs", "(fixed")
    return [
        f"{clause[:-1]} (weight-norm))" if draw.random() < 0.2 and not any(word in clause for word in lacks) else clause
        for clause in connections
    ]


def _with_codes(draw: random.Random, connections: list[str], shapes: list[tuple[int, ...]], outputs: int) -> list[str]:
    """The clauses, some full ones with codes, fixed or not; `shapes` are those of the layers below the output."""
    units = [*map(_units, shapes), outputs]
    coded = []
    for clause in connections:
        source, target = (int(name[1:]) for name in clause.split()[1:3])
        allowed = "(full)" in clause and "(fixed" not in clause and units[source] * units[target] <= 3000
        if allowed and draw.random() < 0.2:
            rows = (
                " ".join(draw.choice(("x", "-", "0.25", "-0.5")) for _ in range(units[source]))
                for _ in range(units[target])
            )
            fixed = draw.choice(("", " (fixed)")) if "(weight-norm)" not in clause else ""
            clause = f"{clause[:-1]} (codes ({') ('.join(rows)})){fixed})"
        coded.append(clause)
    return coded


def _with_distance(draw: random.Random, connections: list[str]) -> list[str]:
    """The clauses, some of those that can have it with distance."""
    lacks = ("(scale", "(weight-norm")
    return [
        f"{clause[:-1]} (distance))"
        if draw.random() < 0.15
        and any(word in clause for word in ("(full)", "(mask"))
        and not any(word in clause for word in lacks)
        else clause
        for clause in connections
    ]


def _add_twin(draw: random.Random, layers: list[str], connections: list[str]) -> None:
    """To some nets a layer that is fed through the weights of another layer, perhaps into the weights of another."""
    if draw.random() > 0.4:
        return
    source, target = draw.choice(connections).split()[1:3]
    last = f"l{len(layers)}"
    like = next(layer for layer in layers if layer.split()[1] == target)
    layers.insert(-1, like.replace(f"(layer {target} ", "(layer twin ").replace("(bias map)", "(bias none)"))
    connections.append(f"(connect {source} twin (weights-of {source} {target}))")
    joined = any(connection.split()[1:3] == [target, last] for connection in connections)
    scheme = f"(weights-of {target} {last})" if joined and draw.random() < 0.6 else "(full)"
    connections.append(f"(connect twin {last} {scheme})")


def _second_input(draw: random.Random, layers: list[str], connections: list[str]) -> str:
    """For some nets the clause of a second input layer, which is connected to one of the layers; "" for the others."""
    if draw.random() > 0.3:
        return ""
    shape = _input_shape(draw)
    targets = [layer.split()[1] for layer in layers if "twin" not in layer and "pooled" not in layer]
    connections.append(f"(connect second {draw.choice(targets)} (full))")
    return f"(layer second {_text(shape)} (input))"


def _add_pooling(draw: random.Random, shapes: list[tuple[int, ...]], layers: list[str], connections: list[str]) -> None:
    """To some nets a layer of the largest or the mean states of windows, which feeds the output."""
    # Units with equal sums but for rounding would have different winners in different engines.
    alike = {c.split()[2] for c in connections if "equal-mask" in c or "(fixed" in c}
    fitting = [k for k, shape in enumerate(shapes) if len(shape) > 1 and f"l{k}" not in alike]
    if not fitting or draw.random() > 0.5:
        return
    number = draw.choice(fitting)
    *maps, rows, columns = shapes[number]
    window, step = [draw.randint(1, min(5, n)) for n in (rows, columns)], [draw.randint(1, 3) for _ in range(2)]
    shape = (*maps, *((n - w) // s + 1 for n, w, s in zip((rows, columns), window, step)))
    layers.insert(-1, _layer(draw, "pooled", shape))
    word = draw.choice(("max-mask", "max-mask", "average-mask"))
    windows = f"({word} {window[0]} {window[1]}) (step {step[0]} {step[1]})"
    connections.append(f"(connect l{number} pooled {windows})")
    connections.append(f"(connect pooled {layers[-1].split()[1]} (full))")


def _input_shape(draw: random.Random) -> tuple[int, ...]:
    kind = draw.random()
    if kind < 0.25:
        return (draw.randint(1, 40),)
    if kind < 0.55:
        return draw.randint(2, 10), draw.randint(2, 10)
    return draw.choice((1, 2, 3, 5, 17)), draw.randint(2, 7), draw.randint(2, 7)


def _units(shape: tuple[int, ...]) -> int:
    total = 1
    for n in shape:
        total *= n
    return total


def _text(shape: tuple[int, ...]) -> str:
    return str(shape[0]) if len(shape) == 1 else "(" + " ".join(map(str, shape)) + ")"


def _scale(draw: random.Random) -> str:
    return draw.choice(("", "", " (scale 0.5)"))


def _layer(draw: random.Random, name: str, shape: tuple[int, ...]) -> str:
    bias = draw.choice(("unit", "unit", "map", "column", "none") if len(shape) > 1 else ("unit", "unit", "none"))
    return f"(layer {name} {_text(shape)} (nlf {draw.choice(_NLFS)}) (bias {bias}))"


def _last(draw: random.Random, units: int, outputs: int) -> str:
    if draw.random() < 0.8:
        return f"(full){_scale(draw)}"
    pairs = {(draw.randrange(units), j) for j in range(outputs) for _ in range(draw.randint(1, 4))}
    return "(pairs " + " ".join(f"({i} {j} {draw.randint(1, 6)})" for i, j in sorted(pairs)) + ")"


def _entering(
    draw: random.Random, source: tuple[int, ...], number: int, tables: list[str], tdnn: bool
) -> tuple[tuple[int, ...], str]:
    """A shape for the next layer and the clause that connects layer `number` to it."""
    ends = f"l{number} l{number + 1}"
    if tdnn and len(source) == 2:
        frames, step = draw.randint(1, min(4, source[0])), draw.randint(1, 2)
        shape = (source[0] - frames) // step + 1, draw.randint(1, 18)
        return shape, f"(connect {ends} (tdnn {frames}) (step {step}){_scale(draw)})"
    if len(source) == 1 or draw.random() < 0.2:
        if draw.random() < 0.3:
            return source, f"(connect {ends} (one-to-one){_scale(draw)})"
        shape = draw.choice(((draw.randint(1, 37),), (draw.randint(1, 6), draw.randint(1, 4), draw.randint(1, 4))))
        return shape, f"(connect {ends} (full){_scale(draw)})"
    return _windows(draw, source, ends, number, tables)


def _windows(
    draw: random.Random, source: tuple[int, ...], ends: str, number: int, tables: list[str]
) -> tuple[tuple[int, ...], str]:
    maps, rows, columns = source if len(source) == 3 else (1, *source)
    wrap, border = draw.random() < 0.25, draw.choice((0, 0, 1, 2))
    if wrap:
        steps = [draw.choice([s for s in (1, 2, 3) if n % s == 0]) for n in (rows, columns)]
        window = [draw.randint(1, n) for n in (rows, columns)]
        size = [n // s for n, s in zip((rows, columns), steps)]
        edge = f" (border {border} wrap)" if border else " (border wrap)"
    else:
        window = [draw.randint(1, min(5, n + 2 * border)) for n in (rows, columns)]
        steps = [draw.randint(1, 3) for _ in range(2)]
        size = [(n + 2 * border - w) // s + 1 for n, w, s in zip((rows, columns), window, steps)]
        edge = f" (border {border} {draw.choice((-1, 0, 0.5))})" if border else ""
        own = random.Random(f"{ends} {source} {window} {steps}")  # so that older random nets stay as they were
        if own.random() < 0.2:
            sides = [own.randint(0, 2) for _ in range(4)]
            wide = [rows + sides[0] + sides[1], columns + sides[2] + sides[3]]
            window = [min(pair) for pair in zip(window, wide)]
            size = [(n - w) // s + 1 for n, w, s in zip(wide, window, steps)]
            edge = f" (border {' '.join(map(str, sides))} {own.choice((-1, 0.5))})"
    targets = draw.choice((maps, draw.randint(1, 6), 20))
    table = ""
    if draw.random() < 0.6:
        entries = _table(draw, maps, targets)
        tables.append(
            f"(table t{number} "
            + " ".join("(" + " ".join("x" if fed else "-" for fed in row) + ")" for row in entries)
            + ")"
        )
        table = f" (table t{number})"
    scheme = draw.choice(("mask", "mask", "local", "equal-mask"))
    fixed = draw.choice(("", "", "", " (fixed 0.25)"))
    return (targets, *size), (
        f"(connect {ends} ({scheme} {window[0]} {window[1]}) (step {steps[0]} {steps[1]})"
        f"{edge}{table}{_scale(draw)}{fixed})"
    )


def _table(draw: random.Random, maps: int, targets: int) -> list[list[bool]]:
    """Source maps by target maps; every map has a source and every source a target, as the language demands."""
    kind = draw.random()
    if kind < 0.35 and maps == targets:
        return [[s == t for t in range(targets)] for s in range(maps)]
    if kind < 0.7:
        width = draw.randint(1, maps)  # blocks: several target maps with the same sources
        groups = draw.choice([g for g in (1, 2, 3, 4) if targets % g == 0])
        entries = [[(s - (t * groups // targets) * width) % maps < width for t in range(targets)] for s in range(maps)]
    else:
        entries = [[draw.random() < 0.5 for _ in range(targets)] for _ in range(maps)]
    for t in range(targets):
        if not any(row[t] for row in entries):
            entries[draw.randrange(maps)][t] = True
    for row in entries:
        if not any(row):
            row[draw.randrange(targets)] = True
    return entries
