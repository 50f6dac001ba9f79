"""Every scheme against its rule, entry by entry, and its arithmetic against its explicit table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snsim.errors import SnError, Source, Span
from snsim.network.clauses import make_node
from snsim.network.connect_options import Statement
from snsim.network.net import Connection, Layer, Net
from snsim.network.schemes import SCHEMES
from snsim.network.wiring import BORDER, Dense, Frames, Table, Windows, Wiring, wire, wire_table

HERE = Span(Source("<test>", "(scheme)"), 0, 8)
sizes = st.integers(1, 4)


@st.composite
def windows(draw: st.DrawFn) -> Windows:
    """Any geometry of masks, with some pairs of maps absent."""
    sources, targets = draw(sizes), draw(sizes)
    window, step = (draw(sizes), draw(sizes)), (draw(sizes), draw(sizes))
    wrap = draw(st.booleans())
    border, far = ((draw(st.integers(0, 3)), draw(st.integers(0, 3))) for _ in range(2))
    shape, rows = [], []
    for w, s, near, beyond in zip(window, step, border, far):
        if wrap:
            count = draw(st.integers(-(-w // s), 5))
            shape.append(count * s)
        else:
            size = draw(st.integers(max(1, w - near - beyond), 9))
            count = (size + near + beyond - w) // s + 1
            shape.append(size)
        rows.append(count)
    maps = np.array(draw(st.lists(st.booleans(), min_size=sources * targets, max_size=sources * targets)))
    maps = maps.reshape(sources, targets)
    maps[draw(st.integers(0, sources - 1)), draw(st.integers(0, targets - 1))] = True
    sharing = draw(st.sampled_from(["map", "unit", "pair"]))
    return Windows((sources, *shape), (targets, *rows), maps, window, step, border, wrap, sharing, far)


def entries(table: Table) -> list[tuple[int, int, int]]:
    return list(zip(table.source.tolist(), table.target.tolist(), table.weight.tolist()))


def by_rule(w: Windows) -> list[tuple[int, int, int]]:
    """The table of windows as the language defines it, a loop an index."""
    (sources, height, width), (targets, rows, columns) = w.source, w.target
    pairs = [(t, s) for t in range(targets) for s in range(sources) if w.maps[s, t]]
    shape = {"map": (len(pairs), *w.window), "unit": (len(pairs), rows, columns, *w.window), "pair": (len(pairs),)}
    found = []
    for t, i, j, s, r, c in product(
        range(targets), range(rows), range(columns), range(sources), range(w.window[0]), range(w.window[1])
    ):
        if not w.maps[s, t]:
            continue
        y, x = i * w.step[0] - w.border[0] + r, j * w.step[1] - w.border[1] + c
        if w.wrap:
            y, x = y % height, x % width
        inside = 0 <= y < height and 0 <= x < width
        pair = pairs.index((t, s))
        index = {"map": (pair, r, c), "unit": (pair, i, j, r, c), "pair": (pair,)}[w.sharing]
        found.append(
            (
                (s * height + y) * width + x if inside else BORDER,
                (t * rows + i) * columns + j,
                int(np.ravel_multi_index(index, shape[w.sharing])),
            )
        )
    return found


def check_against_table(wiring: Wiring, units: int, owners: Callable[[np.ndarray], np.ndarray] = lambda t: t) -> None:
    """What is computed from the structure equals what the explicit table tells. `owners`: what a target unit's weights
    belong to."""
    told, table = replace(wiring, structure=None), wiring.table
    assert wiring.connections == len(table.source) == len(table.target) == len(table.weight)
    assert set(table.weight.tolist()) == set(range(wiring.weights))
    assert (np.diff(table.target) >= 0).all()
    np.testing.assert_array_equal(wiring.lines(units), told.lines(units))
    np.testing.assert_array_equal(wiring.sharers(), told.sharers())
    np.testing.assert_array_equal(wiring.last_user(), told.last_user())
    for name, users in (("the wiring", wiring.last_users()), ("its table alone", told.last_users())):
        assert sorted(users) == sorted(set(told.last_user())), f"last_users() of {name} must hold each last user once"
    assert wiring.owner_count == told.owner_count, "owners() must count as many owners as the table tells"
    belongs = np.unique(owners(table.target), return_inverse=True)[1].reshape(-1)
    np.testing.assert_array_equal(wiring.owners()[table.weight], belongs)


@given(windows())
@settings(max_examples=150, deadline=None)
def test_windows(w: Windows) -> None:
    wiring = wire(w, w.unread)
    assert entries(wiring.table) == by_rule(w)
    area = 1 if w.sharing == "unit" else w.target[1] * w.target[2]
    check_against_table(wiring, int(np.prod(w.target)), lambda target: target // area)
    k = w.maps.sum(axis=0)
    assert (len(wiring.weight_shape) - {"map": 2, "unit": 4, "pair": 0}[w.sharing] == 2) == (len(set(k)) == 1)


@given(windows())
@settings(max_examples=100, deadline=None)
def test_unread(w: Windows) -> None:
    for axis in (0, 1):
        assert w.far_border is not None
        border, beyond, size = w.border[axis], w.far_border[axis], w.source[axis + 1]
        read = {i * w.step[axis] - border + r for i in range(w.target[axis + 1]) for r in range(w.window[axis])}
        cells = set(range(size)) - {y % size for y in read} if w.wrap else set(range(-border, size + beyond)) - read
        assert w.unread[axis] == len(cells)


@given(st.integers(1, 9), st.integers(1, 9))
def test_dense(sources: int, targets: int) -> None:
    wiring = wire(Dense(sources, targets))
    assert entries(wiring.table) == [(i, j, i * targets + j) for j in range(targets) for i in range(sources)]
    check_against_table(wiring, targets)


@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.integers(0, 2))
def test_frames(window: int, step: int, count: int, inputs: int, outputs: int, over: int) -> None:
    frames = (count - 1) * step + window + min(over, step - 1)
    structure = Frames((frames, inputs), (count, outputs), window, step)
    wiring = wire(structure)
    assert structure.unread == frames - len({i * step + n for i in range(count) for n in range(window)})
    assert entries(wiring.table) == [
        ((i * step + n) * inputs + trait, i * outputs + o, (n * inputs + trait) * outputs + o)
        for i in range(count)
        for o in range(outputs)
        for n in range(window)
        for trait in range(inputs)
    ]
    check_against_table(wiring, count * outputs, lambda target: target % outputs)


def connect(
    scheme: str, *arguments: object, source: tuple[int, ...], target: tuple[int, ...], **options: object
) -> Wiring:
    stated = {
        word: make_node([word, *(value if isinstance(value, tuple) else (value,))], HERE)
        for word, value in options.items()
    }
    statement = Statement(make_node([scheme, *arguments], HERE), stated)
    return SCHEMES.get(scheme)(Layer("a", source), Layer("b", target), statement)


def test_one_to_one() -> None:
    wiring = connect("one-to-one", source=(2, 3), target=(6,))
    assert entries(wiring.table) == [(k, k, k) for k in range(6)]


def test_pairs_share_by_name_and_are_sorted_by_target() -> None:
    wiring = connect("pairs", (3, 1), (0, 0, 7), (2, 1, 7), (1, 0), source=(4,), target=(2,))
    assert wiring.weight_shape == (3,)
    assert entries(wiring.table) == [(0, 0, 1), (1, 0, 2), (2, 1, 1), (3, 1, 0)]
    assert wiring.sharers().tolist() == [1, 2, 1]


@pytest.mark.parametrize(
    ("scheme", "shape"),
    [
        ("mask", (12, 8, 5, 5)),
        ("local", (12, 8, 4, 4, 5, 5)),
        ("equal-mask", (12, 8)),
    ],
)
def test_weight_shapes_of_a_regular_table(scheme: str, shape: tuple[int, ...]) -> None:
    table = make_node(np.array([[1.0] * 12] * 8), HERE)
    wiring = connect(scheme, 5, 5, source=(8, 8, 8), target=(12, 4, 4), step=2, border=(2, -1), table=table)
    assert wiring.weight_shape == shape and wiring.unread == (1, 1)


@given(windows())
def test_fans_count_the_lines_of_each_unit(w: Windows) -> None:
    """Where weights are shared: joined maps times cells of a window. Else: the lines of both units, by the table."""
    table, cells = w.table(), w.window[0] * w.window[1]
    fan_in, fan_out = (np.broadcast_to(fan, w.weight_shape).ravel().tolist() for fan in wire(w).fans())
    per_unit = (w.source[1] * w.source[2], w.target[1] * w.target[2])
    for s, t, weight in entries(table):
        entering = sum(table.target == t)
        assert fan_in[weight] == entering == w.maps[:, t // per_unit[1]].sum() * cells
        if w.sharing == "unit":
            assert fan_out[weight] == (1 if s == BORDER else sum(table.source == s))
        elif s != BORDER:
            assert fan_out[weight] == w.maps[s // per_unit[0]].sum() * cells


@given(windows(), st.integers(1, 3))
def test_fans_of_a_table_are_those_of_the_structure_it_writes_out(w: Windows, traits: int) -> None:
    for structure in (replace(w, sharing="unit"), Dense(4, traits)):
        table = wire_table(structure.weight_shape, structure.connections, structure.table)
        for written, known in zip(table.fans(), wire(structure).fans()):
            assert written.shape == structure.weight_shape
            np.testing.assert_array_equal(written, np.broadcast_to(known, structure.weight_shape))


def test_fan_out_under_shared_windows_is_that_of_a_unit_inside_with_step_1() -> None:
    """As many lines as leave a unit that no border is near."""
    for structure, unit in (
        (
            Windows((2, 9, 9), (3, 7, 7), np.array([[1, 1, 0], [0, 1, 1]], bool), (3, 3), (1, 1), (0, 0), False, "map"),
            40,
        ),
        (Frames((9, 2), (7, 3), 3, 1), 8),
    ):
        fan_out = np.unique(wire(structure).fans()[1])
        assert fan_out.tolist() == [np.sum(structure.table().source == unit)]


def test_fans_of_pairs_are_those_of_the_last_that_shares_a_weight() -> None:
    wiring = connect("pairs", (3, 1), (0, 0, 7), (2, 1, 7), (1, 0), (2, 0), source=(4,), target=(2,))
    assert entries(wiring.table) == [(0, 0, 1), (1, 0, 2), (2, 0, 3), (2, 1, 1), (3, 1, 0)]
    assert [fan.tolist() for fan in wiring.fans()] == [[2, 2, 3, 3], [1, 2, 1, 2]]
    one = connect("one-to-one", source=(4,), target=(4,))
    assert [fan.tolist() for fan in one.fans()] == [[1] * 4, [1] * 4]


@given(windows(), windows())
@settings(max_examples=60, deadline=None)
def test_fan_in_of_weights_is_that_of_the_last_unit_that_shares_them(first: Windows, second: Windows) -> None:
    """Two connections and a bias into one layer: F and sharers of every parameter against the tables."""
    second = replace(second, target=first.target, maps=np.resize(second.maps, (second.source[0], first.target[0])))
    layers = (Layer("a", first.source), Layer("b", second.source), Layer("c", first.target, bias="map"))
    a_c, b_c = (Connection(s, "c", "mask", {}, wire(w)) for s, w in (("a", first), ("b", second)))
    net = Net("n", layers, (a_c, b_c))
    lines = np.ones(layers[2].units, int)
    for table in (a_c.table, b_c.table):
        np.add.at(lines, table.target, 1)
    tables = {"a_c.weight": a_c.table, "b_c.weight": b_c.table, "c.bias": net.bias_table("c")}
    assert [p.name for p in net.parameters] == list(tables)
    for p in net.parameters:
        expected, used = np.zeros(p.size, int), np.zeros(p.size, int)
        for target, weight in zip(tables[p.name].target, tables[p.name].weight):
            expected[weight] = lines[target]
            used[weight] += 1
        np.testing.assert_array_equal(p.fan_in, expected)
        np.testing.assert_array_equal(p.sharers, used)
    assert net.counts.connections == sum(len(t.source) for t in tables.values())


FAULTS = [
    (
        ("mask", 5, 5),
        {"step": 2, "border": (2, 0)},
        (16, 16),
        (12, 7, 8),
        "windows of 5x5, step 2, border 2 on 16x16 give 8x8; layer b is 12x7x8",
    ),
    (("mask", 5, 5), {}, (4, 4), (1, 1), "windows of 5x5, step 1, border 0 on 4x4 do not fit"),
    (("mask", 5), {}, (16, 16), (12, 12), "(mask ...) takes 2 arguments, 1 given"),
    (("mask", 5, 0.5), {}, (16, 16), (12, 12), "must be a whole number from 1, not 0.5"),
    (("local", 3, 3), {}, (30,), (4, 4), "layer a is 30 units without rows and columns"),
    (
        ("mask", 3, 3),
        {"step": 3, "border": "wrap"},
        (16, 16),
        (5, 5),
        "with wrap, the step must divide the size of the map",
    ),
    (("mask", 3, 3), {"border": "wrap"}, (2, 2), (2, 2), "with wrap, the window cannot be larger than the map"),
    (("mask", 2, 2), {"step": 2, "exact": ()}, (5, 5), (2, 2), "leave 1 row and 1 column at the far edge unread"),
    (("mask", 3, 3), {"border": 2}, (4, 4), (4, 4), "the value of the border cells, or wrap"),
    (("equal-mask", 1, 1), {"table": "one-to-one"}, (3, 4, 4), (2, 4, 4), "3 in a, 2 in b"),
    (("tdnn", 3), {}, (15, 16), (12, 8), "windows of 3 frames, step 1 on 15 frames give 13 frames; layer b has 12"),
    (("tdnn", 3), {}, (15,), (13, 8), "layer a is 15"),
    (("one-to-one",), {}, (4,), (5,), "4 in a, 5 in b"),
    (("full", 3), {}, (4,), (5,), "(full ...) takes 0 arguments, 1 given"),
    (("pairs", (0, 9)), {}, (4,), (5,), "layer b has units 0 to 4; there is no unit 9"),
    (("pairs", (0, 1), (0, 1, 3)), {}, (4,), (5,), "unit 0 of a to unit 1 of b is stated twice"),
    (("pairs", 1), {}, (4,), (5,), "a pair is (i j) or (i j k), not the number 1"),
    (("mask", 1, 1), {}, (10**5, 1, 1), (10**5, 1, 1), "10000000000 pairs"),
]


@pytest.mark.parametrize(("scheme", "options", "source", "target", "sentence"), FAULTS)
def test_fault(scheme: tuple, options: dict, source: tuple, target: tuple, sentence: str) -> None:
    with pytest.raises(SnError) as raised:
        connect(*scheme, source=source, target=target, **options)
    assert len(raised.value.faults) == 1
    fault = raised.value.faults[0]
    assert sentence in fault.message and fault.span is not None


def test_every_scheme_is_documented() -> None:
    for entry in SCHEMES:
        assert entry.doc and entry.value.syntax.startswith(f"({entry.name}")
