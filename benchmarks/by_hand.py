"""The nets of the benchmark, coded by hand in PyTorch and NumPy.

The PyTorch nets use autograd and one optimiser step per pattern. The NumPy net is lecun89-2022 with explicit gradients.
Parameters have snsim's names and shapes, so that all nets start with the same weights.
"""

from __future__ import annotations

import os

import numpy as np
import torch
from torch.nn import functional as F

# Which H1 maps each of the three groups of four H2 maps reads.
GROUPS = (list(range(8)), list(range(4, 12)), [0, 1, 2, 3, 8, 9, 10, 11])
# Which S2 maps each C3 map of LeNet-5 reads (Table I of the paper of 1998).
C3 = (
    (0, 1, 2),
    (1, 2, 3),
    (2, 3, 4),
    (3, 4, 5),
    (0, 4, 5),
    (0, 1, 5),
    (0, 1, 2, 3),
    (1, 2, 3, 4),
    (2, 3, 4, 5),
    (0, 3, 4, 5),
    (0, 1, 4, 5),
    (0, 1, 2, 5),
    (0, 1, 3, 4),
    (1, 2, 4, 5),
    (0, 2, 3, 5),
    (0, 1, 2, 3, 4, 5),
)
TABLE = torch.tensor([[t, s] for t, maps in enumerate(C3) for s in maps]).T


def sn_tanh(x: torch.Tensor) -> torch.Tensor:
    return 1 / float(np.tanh(2 / 3)) * torch.tanh(2 / 3 * x)


def border(x: torch.Tensor, cells: int) -> torch.Tensor:
    return F.pad(x, (cells,) * 4, value=-1.0)


def lecun89(p: dict[str, torch.Tensor], x: torch.Tensor, f=sn_tanh) -> torch.Tensor:
    h1 = f(F.conv2d(border(x.view(-1, 1, 16, 16), 2), p["input_h1.weight"], stride=2) + p["h1.bias"])
    h1 = border(h1, 2)
    h2 = torch.cat(
        [F.conv2d(h1[:, maps], p["h1_h2.weight"][4 * k : 4 * k + 4], stride=2) for k, maps in enumerate(GROUPS)], 1
    )
    h2 = f(h2 + p["h2.bias"])
    h3 = f(h2.flatten(1) @ p["h2_h3.weight"] + p["h3.bias"])
    return f(h3 @ p["h3_output.weight"] + p["output.bias"])


def lecun89_2022(p: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    return lecun89(p, x, torch.tanh)


def lecun89_full(p: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    hidden = sn_tanh(x @ p["input_hidden.weight"] + p["hidden.bias"])
    return sn_tanh(hidden @ p["hidden_output.weight"] + p["output.bias"])


def net_5(p: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    h1 = sn_tanh(F.conv2d(border(x.view(-1, 1, 16, 16), 1), p["input_h1.weight"], stride=2) + p["h1.bias"])
    h2 = sn_tanh(F.conv2d(border(h1, 2), p["h1_h2.weight"], stride=2) + p["h2.bias"])
    return sn_tanh(h2.flatten(1) @ p["h2_output.weight"] + p["output.bias"])


def windows(p: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Two layers of 5x5 windows with step 2, as in scaling.py."""
    h1 = sn_tanh(F.conv2d(border(x.view(-1, 1, 16, 16), 2), p["input_h1.weight"], stride=2) + p["h1.bias"])
    h2 = sn_tanh(F.conv2d(border(h1, 2), p["h1_h2.weight"], stride=2) + p["h2.bias"])
    return sn_tanh(h2.flatten(1) @ p["h2_output.weight"] + p["output.bias"])


def lenet_5(p: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    def pooled(maps: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        return sn_tanh(4 * F.avg_pool2d(maps, 2) * weight.view(-1, 1, 1) + bias.view(-1, 1, 1))

    c1 = sn_tanh(F.conv2d(x.view(-1, 1, 32, 32), p["input_c1.weight"], p["c1.bias"]))
    s2 = pooled(c1, p["c1_s2.weight"], p["s2.bias"])
    dense = torch.zeros(16, 6, 5, 5, dtype=x.dtype).index_put((TABLE[0], TABLE[1]), p["s2_c3.weight"])
    c3 = sn_tanh(F.conv2d(s2, dense, p["c3.bias"]))
    s4 = pooled(c3, p["c3_s4.weight"], p["s4.bias"])
    c5 = sn_tanh(F.conv2d(s4, p["s4_c5.weight"], p["c5.bias"])).flatten(1)
    f6 = sn_tanh(c5 @ p["c5_f6.weight"] + p["f6.bias"])
    return sn_tanh(f6 @ p["f6_output.weight"] + p["output.bias"])


NETS = {
    "lecun89-2022": lecun89_2022,
    "lecun89": lecun89,
    "lecun89-full": lecun89_full,
    "net-5": net_5,
    "lenet-5": lenet_5,
    "dense": lecun89_full,
    "windows": windows,
}


class Torch:
    """PyTorch by hand: loss.backward() and an SGD step after every pattern or batch.

    With `compiled`, `torch.compile` makes code of the forward pass with the cost, and of its gradient. PyTorch has the
    number of threads that `torch.set_num_threads` was given.
    """

    def __init__(
        self,
        net: str,
        weights: dict[str, np.ndarray],
        mean: bool,
        dtype: torch.dtype = torch.float32,
        compiled: bool = False,
    ):
        self.p = {name: torch.tensor(value, dtype=dtype, requires_grad=True) for name, value in weights.items()}
        forward = NETS[net]

        def cost(p: dict[str, torch.Tensor], x: torch.Tensor, d: torch.Tensor) -> torch.Tensor:
            square = (forward(p, x) - d) ** 2
            return square.mean() if mean else 0.5 * square.sum(1).mean()

        self._forward, self._cost = forward, cost
        if compiled:
            self._forward, self._cost = (torch.compile(f, dynamic=False) for f in (forward, cost))
        self._optimizer = torch.optim.SGD(self.p.values(), lr=0.0)

    def learn(self, inputs: np.ndarray, targets: np.ndarray, rate: float, batch: int = 1) -> None:
        """Make one step after each batch, with the mean of the derivatives of its patterns."""
        self._optimizer.param_groups[0]["lr"] = rate
        for x, d in zip(torch.from_numpy(inputs).split(batch), torch.from_numpy(targets).split(batch)):
            self._optimizer.zero_grad()
            self._cost(self.p, x, d).backward()
            self._optimizer.step()

    def outputs(self, inputs: np.ndarray, batch: int) -> np.ndarray:
        with torch.no_grad():
            return torch.cat([self._forward(self.p, x) for x in torch.from_numpy(inputs).split(batch)]).numpy()

    def parameters(self) -> dict[str, np.ndarray]:
        return {name: value.detach().numpy() for name, value in self.p.items()}


def use_threads(threads: int) -> None:
    """Let snsim and PyTorch compute with this many threads; torch.compile makes code for them."""
    os.environ["OMP_NUM_THREADS"] = str(threads)  # what the native engine reads when it is built
    torch.set_num_threads(threads)


class NumPy:
    """lecun89-2022 with gradients by hand: im2col and matrix products, one pattern at a time."""

    def __init__(self, weights: dict[str, np.ndarray]):
        p = self.p = {name: value.astype(np.float32) for name, value in weights.items()}
        self.w1, self.b1 = p["input_h1.weight"].reshape(12, 25), p["h1.bias"].reshape(12, 64)
        self.w2, self.b2 = p["h1_h2.weight"].reshape(3, 4, 200), p["h2.bias"].reshape(3, 4, 16)
        self.w3, self.b3 = p["h2_h3.weight"], p["h3.bias"]
        self.w4, self.b4 = p["h3_output.weight"], p["output.bias"]
        self.cells1, in_map = self._cells(20, 8), self._cells(12, 4)
        self.cells2 = np.stack([np.concatenate([in_map + 144 * m for m in maps]) for maps in GROUPS])
        self.x = np.full((20, 20), -1, np.float32)
        self.h = np.full((12, 12, 12), -1, np.float32)
        self.columns1, self.columns2 = np.empty((25, 64), np.float32), np.empty((3, 200, 16), np.float32)

    @staticmethod
    def _cells(width: int, units: int) -> np.ndarray:
        """Return, for each cell of a 5x5 window and each unit, the index of the cell in a map with its border."""
        cell = np.add.outer(np.arange(5) * width, np.arange(5)).ravel()
        corner = np.add.outer(np.arange(units) * 2 * width, np.arange(units) * 2).ravel()
        return np.add.outer(cell, corner)

    def learn(self, inputs: np.ndarray, targets: np.ndarray, rate: float) -> None:
        for x, d in zip(inputs, targets):
            self._present(x, d, np.float32(rate))

    def _present(self, x: np.ndarray, d: np.ndarray, rate: np.float32) -> None:
        self.x[2:18, 2:18] = x.reshape(16, 16)
        np.take(self.x.ravel(), self.cells1, out=self.columns1, mode="clip")
        a1 = np.tanh(self.w1 @ self.columns1 + self.b1)
        self.h[:, 2:10, 2:10] = a1.reshape(12, 8, 8)
        np.take(self.h.ravel(), self.cells2, out=self.columns2, mode="clip")
        a2 = np.tanh(self.w2 @ self.columns2 + self.b2)
        z = a2.ravel()
        a3 = np.tanh(z @ self.w3 + self.b3)
        a4 = np.tanh(a3 @ self.w4 + self.b4)
        d4 = np.float32(0.2) * (a4 - d) * (1 - a4 * a4)
        d3 = (self.w4 @ d4) * (1 - a3 * a3)
        d2 = ((self.w3 @ d3) * (1 - z * z)).reshape(3, 4, 16)
        back = self.w2.transpose(0, 2, 1) @ d2
        below = np.bincount(self.cells2.ravel(), back.ravel(), 1728).astype(np.float32).reshape(12, 12, 12)
        d1 = below[:, 2:10, 2:10].reshape(12, 64) * (1 - a1 * a1)
        self.w4 -= np.outer(a3, rate * d4)
        self.b4 -= rate * d4
        self.w3 -= np.outer(z, rate * d3)
        self.b3 -= rate * d3
        self.w2 -= (rate * d2) @ self.columns2.transpose(0, 2, 1)
        self.b2 -= rate * d2
        self.w1 -= (rate * d1) @ self.columns1.T
        self.b1 -= rate * d1

    def parameters(self) -> dict[str, np.ndarray]:
        return self.p
