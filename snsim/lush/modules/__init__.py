"""gblearn2: states, params, modules, costs, classifiers, trainer, meter, sources and ready nets, as built-in classes.

`built_in` says how a class is declared. A new class goes into the file of its subject; importing this package adds all
of them to CLASSES. See docs/reference/gblearn2.md.
"""

from snsim.lush.modules import (
    classifiers,
    costs,
    layers,
    machines,
    meters,
    nets,
    roots,
    sources,
    squashers,
    states_and_params,
    trainers,
)
from snsim.lush.modules.built_in import CLASSES, Classes, install_classes

__all__ = [
    "CLASSES",
    "Classes",
    "classifiers",
    "costs",
    "install_classes",
    "layers",
    "machines",
    "meters",
    "nets",
    "roots",
    "sources",
    "squashers",
    "states_and_params",
    "trainers",
]
