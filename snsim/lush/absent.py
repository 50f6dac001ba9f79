"""Names that programs of Lush call and that snsim does not have, each with advice (reference, section 14)."""

from __future__ import annotations

from snsim.lush.vocabulary import LUSH

_GBLEARN2 = (
    "gblearn2's {} is not here: of its layers there are c-layer, s-layer, f-layer, e-layer and logadd-layer, of its "
    "sources dsource-idx3fl, dsource-idx3ul, dsource-mnist, narrow, permute and concat, of its nets net-ff, net-cscf, "
    "net-cscscf and new-lenet5"
)


def absent() -> dict[str, str]:
    """Return the advice for each absent name: what Lush 2 renamed, and what was left out of gblearn2."""
    renamed = {
        f"array-{entry.name.removeprefix('idx-')}": f"Lush 1 writes {entry.name}"
        for entry in LUSH
        if entry.name.startswith("idx-")
    }
    made = {f"{kind}-array": f"Lush 1 writes ({kind}-matrix n m ...)" for kind in ("float", "int", "double", "ubyte")}
    left_out = ("ccc-tdnn", "gb-conx", "dsource-image", "poly2-layer", "workbench")
    return {**renamed, **made, **{name: _GBLEARN2.format(name) for name in left_out}}
