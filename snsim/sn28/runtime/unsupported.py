"""Names of the old library that are not here, each with a sentence for the program that calls it.

They are no words: a program may give any of them a meaning of its own, and as variables they mean nothing.
"""

from __future__ import annotations

_WIDGET = (
    "it belongs to Ogre, SN's library of panels and buttons, which is not here: call from the text what the "
    "button would call; for pictures there are new-window, draw-list, plot-lists"
)
_PANEL = "it was a panel of windows, which snsim has not: words of matrices compute what it did"
_TOOL = "it belongs to a panel of SN's that is not here"
_WRITTEN_BY_BUILD_NET = (
    "build-net writes it for the net that it builds (define-net for the layers it is given): call that first"
)
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
            "grid",
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
    "x11-configure": "windows need no preparation here: leave the call out",
    "class-ext-to-int": f"{_TOOL}; codebook-label sets the label of an item, a whole number",
    "clip": f"{_TOOL}; (max low (min high x)) keeps a number between two",
    "mean-sdev-normalization": f"{_TOOL}; mean-mat and sdev-mat (which is a variance) give what it takes",
    "sublist": "NetTool wrote calls of it, but SN never defined it: define it, or connect the units that are meant",
    "quick-sort": "(sort-list l >) sorts a list upwards",
}
