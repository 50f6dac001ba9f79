"""`net-of`: the declared net of a machine of gblearn2's modules computes what the modules compute, layer by layer."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from snsim.engines.plan import plan
from snsim.engines.reference.engine import ReferenceEngine
from snsim.errors import SnError, Source
from snsim.language.forms import NIL, symbol
from snsim.language.objects import Object, send
from snsim.lush import begin
from snsim.lush.idx import Idx
from snsim.lush.net_of import module_net
from snsim.network.net import Net
from snsim.program import make_interpreter, new_shelves, read_program
from snsim.runtime.host import scratch
from snsim.training.forms.costs import cost_of


@dataclass
class Machine:
    """A machine of a program of Lush, and the net of `(net-of machine)`."""

    interpreter: Any
    module: Object
    param: Object
    net: Net
    found: Any

    def presented(self, inputs: np.ndarray, wanted: int) -> None:
        """Send fprop, bprop and bbprop of the module and edist-cost."""
