"""The arguments of each compiled operation, by name and type, and the numbers that lists and code share."""

from __future__ import annotations

BLOCK = 4  # vectors of places that a window sum computes together
CHUNK = 32  # taps of a kernel, and 1 for the bias, whose gradients are computed together
WIDE = 2  # rows of a table whose gradients are computed together

_POINTERS = {
    *("x", "out", "errors", "weights", "bias", "sub", "coeff", "gradient", "bias_gradient", "jobs"),
    *(
        "labels",
        "prototypes",
        "factors",
        "energies",
        "kept",
        "target",
        "source",
        "backup",
        "direction",
        "rates",
        "kappas",
    ),
    *("check", "flag"),
}
_NUMBERS = {"a1", "a2", "a3", "height", "steepest", "share", "new", "old", "minus_eta", "start"}


def _slots(text: str) -> tuple[tuple[str, str], ...]:
    kinds = [("ptr" if n in _POINTERS else "float" if n in _NUMBERS else "i64", n) for n in text.split()]
    return tuple(kinds)


_WINDOWS = "jobs maps rows columns pitch"
_SIGMOID = "a1 a2 a3 height steepest vectors check"
_BLOCKS = "maps rows columns block_rows block_columns"
OPERATIONS: dict[str, tuple[tuple[str, str], ...]] = {
    name: _slots(text)
    for names, text in (
        ("present", "target source size vectors"),
        ("check_numbers", "x vectors check"),
        ("stop_if_large", "check flag stage"),
        ("sigmoid squared_tanh", f"x out {_SIGMOID}"),
        ("sigmoid_back squared_tanh_back sigmoid_curved squared_tanh_curved", f"x errors out {_SIGMOID}"),
        ("window_sums window_sums_squared", f"{_WINDOWS} blocks step"),
        ("cut_rows", f"{_WINDOWS} vectors"),
        ("pick_rows", f"{_WINDOWS} apart"),
        ("frame_rows", f"{_WINDOWS} apart"),
        ("list_windows list_windows_squared", f"{_WINDOWS} next apart kernel_rows kernel_columns width vectors"),
        ("kernel_gradient", "jobs count chunks places width"),
        ("full_sums_1 full_sums_2 full_sums_4 full_sums_8", "x weights bias out inputs pitch start"),
        (
            "full_spread full_spread_squared_weight full_spread_weight_twice",
            "weights errors out outputs blocks vectors pitch start",
        ),
        (
            "full_gradient full_gradient_squared_input full_gradient_input_twice",
            "x errors gradient bias_gradient inputs vectors pitch",
        ),
        ("distances_1 distances_2 distances_4 distances_8", "x weights out inputs pitch"),
        ("distance_spread", "x weights errors out outputs blocks vectors pitch start"),
        ("distance_gradient", "x weights errors gradient inputs vectors pitch"),
        ("block_sums", f"x sub out coeff bias {_BLOCKS}"),
        ("block_gradient block_gradient_squared", "sub errors gradient bias_gradient maps places"),
        ("block_spread block_spread_squared", f"errors coeff out {_BLOCKS}"),
        ("keep_output", "x kept outputs"),
        ("prototype_cost", "x prototypes labels energies outputs check"),
        ("prototype_back", "x prototypes labels out outputs share"),
        ("weighted_cost", "x prototypes factors labels energies outputs check"),
        ("weighted_back", "x prototypes factors labels out outputs share"),
        ("weighted_curvature", "factors labels out outputs share"),
        ("unit_cost", "x labels energies check"),
        ("unit_back", "labels out outputs share"),
        ("mix", "target source backup new old vectors check"),
        ("update", "x direction rates backup minus_eta vectors check"),
        ("average", "target x backup kappas vectors"),
    )
    for name in names.split()
}
