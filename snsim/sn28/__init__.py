"""The words of SN-2.8 over the same nets, data and engines. Importing this fills the shelf SN28.

A function that a program may re-plug is looked up by its name when it is called (`interpreter.call`), as all are in
SN; what words keep from call to call are parts of the interpreter (`interpreter.part`).
"""

from snsim.sn28 import libload
from snsim.sn28.codebooks import (
    codebook_files,
    codebook_plots,
    codebooks,
    kmeans_lvq,
    kohonen,
    multiedit_condense,
    nearest_neighbours,
    radial,
)
from snsim.sn28.graphics import drawing_words, hinton, plots, training_plots
from snsim.sn28.learning import (
    classification_tests,
    costs,
    curvature,
    display_hooks,
    euclidean,
    examples,
    initial,
    performance,
    propagation,
    prune,
    rates,
    train_words,
    unit_states,
    weights,
)
from snsim.sn28.net import (
    build_net,
    connect_library,
    connections,
    field_arithmetic,
    fields,
    layer_fields,
    nlf_words,
    use_net,
    weight_files,
    weight_vectors,
)
from snsim.sn28.runtime import matrix_files, random_numbers, system, text_files
from snsim.sn28.runtime.vocabulary import SN28

__all__ = [
    "SN28",
    "layer_fields",
    "build_net",
    "classification_tests",
    "codebook_files",
    "codebooks",
    "connect_library",
    "connections",
    "costs",
    "curvature",
    "use_net",
    "display_hooks",
    "multiedit_condense",
    "euclidean",
    "examples",
    "field_arithmetic",
    "fields",
    "drawing_words",
    "hinton",
    "initial",
    "kernels",
    "train_words",
    "libload",
    "kohonen",
    "matrix_files",
    "nearest_neighbours",
    "nlf_words",
    "performance",
    "codebook_plots",
    "plots",
    "propagation",
    "prune",
    "kmeans_lvq",
    "radial",
    "random_numbers",
    "rates",
    "unit_states",
    "text_files",
    "system",
    "training_plots",
    "weight_files",
    "weight_vectors",
    "weights",
]
