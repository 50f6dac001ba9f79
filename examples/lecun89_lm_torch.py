"""The net of 1989 and its learning rule, coded by hand in PyTorch: the same training as nets/lecun89.sn.

`python examples/lecun89_lm_torch.py` trains it for one pass on the digits of scikit-learn (install it first).
`python examples/lecun89_lm_torch.py zip.train.gz zip.test.gz` trains it for 23 passes on the zip codes, like the paper.
`snsim compare nets/lecun89.sn examples/lecun89_lm_torch.py:Net` compares net and training with snsim.

The rule is on-line Levenberg-Marquardt with diagonal curvature (Becker and LeCun 1988; LeCun et al. 1998, Appendix C).
With a the weighted sums of a layer, x = f(a) its states and E the cost of a pattern:

    y = dE/dx       g = dE/da   = y f'(a)          first backward pass
    s = d2E/dx2     h = d2E/da2 = s f'(a)^2        second backward pass; the term with f'' is dropped, so h >= 0

The second pass is the first one with squares of w, x and f'.
"""

import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

EPSILON, MU, GAMMA = 0.0005, 0.05, 0.05  # rate, least curvature, share of a new pattern in the mean curvature
SCALE = 1 / torch.tanh(torch.tensor(2 / 3, dtype=torch.float64)).item()  # so that f(1) = 1 and f(-1) = -1

# Three groups of four H2 maps; each group reads eight of the twelve H1 maps.
BLOCKS = ([0, 1, 2, 3, 4, 5, 6, 7], [4, 5, 6, 7, 8, 9, 10, 11], [0, 1, 2, 3, 8, 9, 10, 11])


def f(a: torch.Tensor) -> torch.Tensor:
    return SCALE * torch.tanh(2 / 3 * a)


def slope(x: torch.Tensor) -> torch.Tensor:
    """Return f'(a), computed from the state x = f(a)."""
    return 2 / 3 * (SCALE - x * x / SCALE)


class Layer(nn.Module):
    """Weights, a bias for each unit, and for both the mean curvature over the last patterns.

    The sums are linear in the inputs and in the weights. `to_inputs` and `to_weights` are the transposes of these two
    linear maps: they carry derivatives by the sums back to the inputs, or to the weights.
    """

    def __init__(self, weights: tuple[int, ...], units: tuple[int, ...], fan_in: int) -> None:
        super().__init__()
        most = 2.4 / fan_in  # the bias is one of the inputs, and is drawn like a weight
        self.weight = nn.Parameter(torch.empty(weights).uniform_(-most, most))
        self.bias = nn.Parameter(torch.empty(units).uniform_(-most, most))
        self.register_buffer("weight_h", torch.zeros(weights))
        self.register_buffer("bias_h", torch.zeros(units))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return f(self.sums(self.inputs(x), self.weight) + self.bias)

    def update(self, x: torch.Tensor, g: torch.Tensor, h: torch.Tensor) -> None:
        """Learn from the derivatives g and h by the sums. The connections that share a weight add up."""
        x = self.inputs(x)
        self.move(self.weight, self.weight_h, self.to_weights(x, g), self.to_weights(x * x, h))
        self.move(self.bias, self.bias_h, g.sum(0), h.sum(0))

    @staticmethod
    def move(w: torch.Tensor, mean_h: torch.Tensor, g: torch.Tensor, h: torch.Tensor) -> None:
        mean_h.mul_(1 - GAMMA).add_(GAMMA * h)
        w -= EPSILON * g / (MU + mean_h)


class Full(Layer):
    """Every unit reads every input. x: (patterns, inputs), w: (inputs, units)."""

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__((inputs, units), (units,), inputs + 1)

    def inputs(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)

    def sums(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return x @ w

    def to_inputs(self, w: torch.Tensor, by_sums: torch.Tensor) -> torch.Tensor:
        return by_sums @ w.T

    def to_weights(self, x: torch.Tensor, by_sums: torch.Tensor) -> torch.Tensor:
        return x.T @ by_sums


class Windows(Layer):
    """12 maps of windows 5x5, two cells apart, with one kernel a map. `groups` are the maps that each group reads."""

    def __init__(self, size: int, groups: tuple[list[int], ...]) -> None:
        reads = len(groups[0])
        super().__init__((12, reads, 5, 5), (12, size, size), 25 * reads + 1)
        self.groups = groups

    def inputs(self, x: torch.Tensor) -> torch.Tensor:
        """Return the maps with their background, which is -1."""
        return F.pad(x, (2, 2, 2, 2), value=-1.0)

    def split(self, values: torch.Tensor, dim: int = 0) -> list[tuple[list[int], torch.Tensor]]:
        """Return for each group the maps it reads, and its share of the 12 maps along an axis."""
        return list(zip(self.groups, values.chunk(len(self.groups), dim)))

    def sums(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return torch.cat([F.conv2d(x[:, read], kernels, stride=2) for read, kernels in self.split(w)], 1)

    def to_inputs(self, w: torch.Tensor, by_sums: torch.Tensor) -> torch.Tensor:
        maps = 1 + max(max(read) for read in self.groups)
        size = 2 * by_sums.shape[-1] + 4
        back = by_sums.new_zeros(len(by_sums), maps, size, size)
        for (read, kernels), (_, part) in zip(self.split(w), self.split(by_sums, 1)):
            back[:, read] += F.conv_transpose2d(part, kernels, stride=2, output_padding=1)
        return back[:, :, 2:-2, 2:-2]  # nothing learns behind the background

    def to_weights(self, x: torch.Tensor, by_sums: torch.Tensor) -> torch.Tensor:
        shape = (12 // len(self.groups), *self.weight.shape[1:])
        parts = self.split(by_sums, 1)
        return torch.cat([nn.grad.conv2d_weight(x[:, read], shape, part, stride=2) for read, part in parts])


class Net(nn.Module):
    """16x16 -> 12 maps 8x8 -> 12 maps 4x4 -> 30 -> 10; every unit has its own bias."""

    def __init__(self) -> None:
        super().__init__()
        self.h1 = Windows(8, ([0],))
        self.h2 = Windows(4, BLOCKS)
        self.h3 = Full(192, 30)
        self.output = Full(30, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (patterns, 1, 16, 16) in -1..1. Returns (patterns, 10)."""
        return self.output(self.h3(self.h2(self.h1(x))))

    def cost(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return ((outputs - targets) ** 2).sum() / 2

    @torch.no_grad()
    def learn(self, x: torch.Tensor, d: torch.Tensor) -> None:
        """Present patterns x with targets d, (patterns, 10), and update every weight once."""
        layers = [self.h1, self.h2, self.h3, self.output]
        states = [x]
        for layer in layers:
            states.append(layer(states[-1]))

        y = states[-1] - d  # dE/dx of the cost
        s = torch.ones_like(y)  # d2E/dx2 of the cost
        for layer, x_in, x_out in reversed(list(zip(layers, states, states[1:]))):
            y, s = y.reshape(x_out.shape), s.reshape(x_out.shape)
            g, h = y * slope(x_out), s * slope(x_out) ** 2
            y, s = layer.to_inputs(layer.weight, g), layer.to_inputs(layer.weight**2, h)  # before the weights move
            layer.update(x_in, g, h)


def read_zip_codes(path: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Read zip.train.gz or zip.test.gz: on each line the digit, then 256 pixels from -1 to 1."""
    table = torch.tensor(np.loadtxt(path, dtype=np.float32))
    return table[:, 1:].reshape(-1, 1, 16, 16), table[:, 0].long()


def read_digits() -> tuple[torch.Tensor, torch.Tensor]:
    from sklearn.datasets import load_digits

    pictures, labels = load_digits(return_X_y=True)
    grey = torch.tensor(pictures, dtype=torch.float32).view(-1, 1, 8, 8) / 8 - 1
    return F.interpolate(grey, size=(16, 16), mode="bilinear"), torch.tensor(labels)


def main() -> None:
    passes = 1
    if len(sys.argv) == 3:
        passes, train, test = 23, read_zip_codes(sys.argv[1]), read_zip_codes(sys.argv[2])
    else:
        inputs, labels = read_digits()
        train, test = (inputs[:1437], labels[:1437]), (inputs[1437:], labels[1437:])
    torch.manual_seed(1)
    torch.set_num_threads(1)
    net = Net()
    targets = F.one_hot(train[1], 10).float() * 2 - 1
    for number in range(1, passes + 1):
        for x, d in zip(train[0], targets):
            net.learn(x[None], d[None])
        with torch.no_grad():
            misses = [int((net(inputs).argmax(1) != labels).sum()) for inputs, labels in (train, test)]
        print(
            f"pass {number}: misses {misses[0]} of {len(train[0])} train, {misses[1]} of {len(test[0])} test",
            flush=True,
        )


if __name__ == "__main__":
    main()
