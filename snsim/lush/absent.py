"""Names that programs of Lush call and that snsim does not have, each with advice (reference, sections 11 and 14)."""

from __future__ import annotations

from snsim.lush.vocabulary import LUSH

_NETS = ("c", "cc", "ccc", "cf", "cff", "cfe", "csccf", "cscfe", "cscsce", "cscscfe", "cscscscf", "xx", "xxx")
_INSTEAD = {  # of what is missing of gblearn2
    **dict.fromkeys(
        (*(f"net-{layers}" for layers in _NETS), "ccc-tdnn", "gb-conx"),
        "there are net-ff, net-cscf, net-cscscf and new-lenet5; for other nets write a class that sends fprop, bprop "
        "and bbprop to its layers",
    ),
    "dsource-image": "there are dsource-idx3fl, dsource-idx3ul, dsource-mnist, and dsource-idx3l-narrow, -permute and "
    "-concat",
    "poly2-layer": "there are f-layer, c-layer, s-layer and e-layer",
    "workbench": "there are layers, costs, classifiers, trainers, sources and nets: snsim list class",
}


def absent() -> dict[str, str]:
    """Return the advice for each absent name: what Lush 2 renamed, and what was left out of gblearn2."""
    renamed = {
        f"array-{entry.name.removeprefix('idx-')}": f"Lush 1 writes {entry.name}"
        for entry in LUSH
        if entry.name.startswith("idx-")
    }
    made = {f"{kind}-array": f"Lush 1 writes ({kind}-matrix n m ...)" for kind in ("float", "int", "double", "ubyte")}
    left_out = {name: f"gblearn2's {name} is not here; {instead}" for name, instead in _INSTEAD.items()}
    return {**renamed, **made, **left_out}
