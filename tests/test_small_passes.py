"""What makes a pass over few patterns cheap gives the same figures and the same lines as the plain way."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from snsim.engines.native.jit import _start
from snsim.engines.protocol import Cost
from snsim.network.expressions import number
from snsim.run_folder import pass_line, pass_text
from snsim.training.criteria import CRITERIA
from snsim.training.loop import LazySnapshot, PassResult
from snsim.training.pruning import RemainingCounts
from snsim.training.scores import Score, Scorer

NUMBERS = st.floats()
SCORES = st.builds(
    Score,
    NUMBERS,
    NUMBERS,
    NUMBERS,
    st.floats(0, 100),
    st.integers(0, 10**9),
    st.integers(1, 10**9),
    st.none() | st.floats(0, 100),
    st.none() | st.tuples(st.integers(0, 9), st.integers(0, 9)),
)
RESULTS = st.builds(
    PassResult,
    st.integers(1, 10**9),
    SCORES,
    st.none() | SCORES,
    st.integers(1, 10**15),
    st.floats(0, 1e9),
    st.floats(0, 1e9),
    st.just(LazySnapshot(lambda: None)),
    st.none() | st.just(RemainingCounts(1, 2)),
)


@given(RESULTS)
def test_the_line_of_a_pass_is_the_json_of_its_figures(done: PassResult) -> None:
    assert pass_text(done) == json.dumps(pass_line(done))


def test_signs_of_targets_are_judged_as_the_criterion_judges_them() -> None:
    draw, values = np.random.default_rng(1), np.array([-np.inf, -1.5, -0.0, 0.0, 1e-300, 2.0, np.inf, np.nan])
    cost = Cost("none", zero := number(0.0), zero, zero)
    for among in ([-1.0, 1.0, 0.2], [-1.0, 0.0, 1.0]):  # without and with targets that ask for nothing
        x, d = draw.choice(values, (500, 3)), draw.choice(among, (500, 3))
        right = CRITERIA.get("quadrant").right(x, d)
        assert Scorer(d, cost, ("quadrant", ())).score(x).misses == 500 - right.sum()


def test_addresses_of_arrays_that_cannot_be_written() -> None:
    array = np.arange(8.0).reshape(2, 4)
    fixed = array[1:]
    fixed.flags.writeable = False
    assert _start(array) + 32 == _start(array[1:]) == _start(fixed)
    assert _start(array[:0]) == 0
