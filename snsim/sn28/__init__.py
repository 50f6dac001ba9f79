"""The words of SN-2.8, one folder for each subject. Importing this package adds all of them to the registry SN28.

The functions that a program may replace are looked up by name at each call (`interpreter.call`), as SN does. State
that words keep between calls is a part of the interpreter (`interpreter.part`).
"""

from snsim.runtime import matrix_files, random_numbers, system, text_files
from snsim.runtime.vocabulary import SN28
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
from snsim.sn28.graphics import curve_words, drawing_words, hinton, outline_words, plots, training_plots
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

__all__ = [
    "SN28",
    "build_net",
    "classification_tests",
    "codebook_files",
    "codebook_plots",
    "codebooks",
    "connect_library",
    "connections",
    "costs",
    "curvature",
    "curve_words",
    "display_hooks",
    "drawing_words",
    "euclidean",
    "examples",
    "field_arithmetic",
    "fields",
    "hinton",
    "initial",
    "kernels",
    "kmeans_lvq",
    "kohonen",
    "layer_fields",
    "libload",
    "matrix_files",
    "multiedit_condense",
    "nearest_neighbours",
    "nlf_words",
    "outline_words",
    "performance",
    "plots",
    "propagation",
    "prune",
    "radial",
    "random_numbers",
    "rates",
    "system",
    "text_files",
    "train_words",
    "training_plots",
    "unit_states",
    "use_net",
    "weight_files",
    "weight_vectors",
    "weights",
]
