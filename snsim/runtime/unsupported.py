"""Functions of SN's library that snsim does not have, each with advice for the program that calls it.

They are not words: a program may define any of these names as a function or variable of its own.
"""

from __future__ import annotations

_WIDGET = (
    "it belongs to Ogre, SN's library of panels and buttons, which snsim does not have: call the button's function "
    "directly, and draw with new-window, draw-list and plot-lists"
)
_PANEL = "it opened a control panel, which snsim does not have: use the matrix words"
_TOOL = "it belongs to a control panel of SN, which snsim does not have"
_WRITTEN_BY_BUILD_NET = "build-net and define-net define it for their net: call one of them first"
_PART_OF_PLOT_PERF_FILE = 'it was a part of plot-perf-file: (plot-perf-file "f") plots a whole log'

UNSUPPORTED: dict[str, str] = {
    **dict.fromkeys(
        (
            "checkbox",
            "column",
            "colorp",
            "darkspace",
            "draw-up-rect",
            "editnumber",
            "editstring",
            "fill-down-rect",
            "framesize",
            "hilite",
            "menu",
            "ogre",
            "radiobutton",
            "render-brace-text",
            "requester",
            "row",
            "setcolor",
            "stdbutton",
            "string",
            "windowobject",
            "yesnorequester",
        ),
        _WIDGET,
    ),
    **dict.fromkeys(
        ("load-perf-file", "perf-file-port", "error-file-port", "age-to-labels", "perf-plot-ens", "error-plot-ens"),
        _PART_OF_PLOT_PERF_FILE,
    ),
    **dict.fromkeys(
        (
            "forward-prop",
            "backward-prop",
            "do-compute-err",
            "do-update-weight",
            "do-update-acc",
            "do-update-hess",
            "forward-2-prop",
            "backward-2-prop",
            "do-update-weight-newton",
        ),
        _WRITTEN_BY_BUILD_NET,
    ),
    **dict.fromkeys(("imagetool", "matrixtool"), _PANEL),
    "x11-configure": "windows need no preparation: remove the call",
    "class-ext-to-int": f"{_TOOL}; codebook-label sets the label of an item to a whole number",
    "mean-sdev-normalization": f"{_TOOL}; compute it from mean-mat and sdev-mat (which returns a variance)",
    "quick-sort": "(sort-list l >) sorts a list upwards",
}
