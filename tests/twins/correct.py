"""Correct twins of nets.sn in different styles. Nothing of snsim is imported."""

import math
import warnings
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

SCALE = 1 / math.tanh(2 / 3)
GROUPS = ([0, 1, 2], [1, 2, 3])


def squash(s):
    return SCALE * torch.tanh(2 / 3 * s)


def uniform(fan_in, *shape):
    return nn.Parameter((2 * torch.rand(*shape) - 1) * 2.4 / fan_in**0.5)


def zeros(*shape):
    return nn.Parameter(torch.zeros(*shape))


def drawn(module, fan_in):
    """A module of torch with the initial weights of the training."""
    nn.init.uniform_(module.weight, -2.4 / fan_in**0.5, 2.4 / fan_in**0.5)
    if module.bias is not None:
        nn.init.zeros_(module.bias)
    return module


class Functional(nn.Module):
    """Plain parameters, a function for each step, the groups of H2 by slices."""

    squash = staticmethod(squash)
    groups, h1_border, h2_border = GROUPS, -1.0, -1.0

    def __init__(self):
        super().__init__()
        self.h1_weight, self.h1_bias = uniform(9, 4, 1, 3, 3), zeros(4, 4, 4)
        self.h2_weight, self.h2_bias = uniform(27, 4, 3, 3, 3), zeros(4, 2, 2)
        self.h3_weight, self.h3_bias = uniform(16, 16, 8), zeros(8)
        self.output_weight, self.output_bias = uniform(8, 8, 4), zeros(4)

    def h1(self, x):
        x = F.pad(x, (1, 1, 1, 1), value=self.h1_border)
        return self.squash(F.conv2d(x, self.h1_weight, stride=2) + self.h1_bias)

    def h2(self, h1):
        h1 = F.pad(h1, (1, 1, 1, 1), value=self.h2_border)
        sums = [F.conv2d(h1[:, g], self.h2_weight[2 * k : 2 * k + 2], stride=2) for k, g in enumerate(self.groups)]
        return self.squash(torch.cat(sums, 1) + self.h2_bias)

    def h3(self, h2):
        return self.squash(h2.flatten(1) @ self.h3_weight + self.h3_bias)

    def output(self, h3):
        return self.squash(h3 @ self.output_weight + self.output_bias)

    def forward(self, x):
        return self.output(self.h3(self.h2(self.h1(x))))

    def cost(self, outputs, targets):
        return ((outputs - targets) ** 2).mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Plain(Functional):
    """Only forward: cost and rule are those of the training."""

    cost = configure_optimizers = None


class Masked(nn.Module):
    """A whole kernel, of which a mask keeps the joined pairs of maps; modules of torch for the rest."""

    def __init__(self):
        super().__init__()
        self.pad = nn.ConstantPad2d(1, -1.0)
        self.h1, self.h1_bias = drawn(nn.Conv2d(1, 4, 3, stride=2, bias=False), 9), zeros(4, 4, 4)
        self.h2, self.h2_bias = drawn(nn.Conv2d(4, 4, 3, stride=2, bias=False), 27), zeros(4, 2, 2)
        mask = torch.zeros(4, 4, 1, 1)
        mask[:2, :3] = mask[2:, 1:] = 1
        self.register_buffer("mask", mask)
        self.h3, self.output = drawn(nn.Linear(16, 8), 16), drawn(nn.Linear(8, 4), 8)

    def forward(self, x):
        h1 = squash(self.h1(self.pad(x)) + self.h1_bias)
        h2 = squash(F.conv2d(self.pad(h1), self.h2.weight * self.mask, stride=2) + self.h2_bias)
        return squash(self.output(squash(self.h3(h2.flatten(1)))))

    def cost(self, outputs, targets):
        return F.mse_loss(outputs, targets)


class ListOfGroups(Masked):
    """One Conv2d for each group of H2."""

    def __init__(self):
        super().__init__()
        del self.mask
        self.h2 = nn.ModuleList(drawn(nn.Conv2d(3, 2, 3, stride=2, bias=False), 27) for _ in GROUPS)

    def middle(self, h1):
        return torch.cat([conv(h1[:, maps]) for conv, maps in zip(self.h2, GROUPS)], 1)

    def forward(self, x):
        h1 = squash(self.h1(self.pad(x)) + self.h1_bias)
        h2 = squash(self.middle(self.pad(h1)) + self.h2_bias)
        return squash(self.output(squash(self.h3(h2.flatten(1)))))


class ListOfMaps(ListOfGroups):
    """One Conv2d for each map of H2, under a name that means nothing."""

    def __init__(self):
        super().__init__()
        del self.h2
        self.kernels = nn.ModuleList(drawn(nn.Conv2d(3, 1, 3, stride=2, bias=False), 27) for _ in range(4))

    def middle(self, h1):
        return torch.cat([conv(h1[:, GROUPS[k // 2]]) for k, conv in enumerate(self.kernels)], 1)


class UnevenMaps(ListOfGroups):
    """The table `uneven`: each map has a kernel of its own size, as C3 of LeNet-5."""

    def __init__(self):
        super().__init__()
        self.h2 = nn.ModuleList(drawn(nn.Conv2d(k + 1, 1, 3, stride=2, bias=False), 9 * k + 9) for k in range(4))

    def middle(self, h1):
        return torch.cat([conv(h1[:, : k + 1]) for k, conv in enumerate(self.h2)], 1)


class UnevenMasked(Masked):
    """The table `uneven` as a triangle of a whole kernel."""

    def __init__(self):
        super().__init__()
        self.mask.copy_(torch.ones(4, 4).tril()[:, :, None, None])


class Einsum(Functional):
    """Windows by unfold, sums by einsum."""

    def windows(self, x, border):
        return F.pad(x, (1, 1, 1, 1), value=border).unfold(2, 3, 2).unfold(3, 3, 2)

    def h1(self, x):
        sums = torch.einsum("bsijrc,tsrc->btij", self.windows(x, -1.0), self.h1_weight)
        return squash(sums + self.h1_bias)

    def h2(self, h1):
        windows = self.windows(h1, -1.0)
        sums = [
            torch.einsum("bsijrc,tsrc->btij", windows[:, g], self.h2_weight[2 * k : 2 * k + 2])
            for k, g in enumerate(GROUPS)
        ]
        return squash(torch.cat(sums, 1) + self.h2_bias)

    def h3(self, h2):
        return squash(torch.einsum("bi,ij->bj", h2.flatten(1), self.h3_weight) + self.h3_bias)


class Flattened(Functional):
    """Kernels as rows of a matrix, biases in one axis."""

    def __init__(self):
        super().__init__()
        self.h1_weight, self.h1_bias = uniform(9, 4, 9), zeros(64)
        self.h2_weight, self.h2_bias = uniform(27, 4, 27), zeros(16)

    def h1(self, x):
        windows = F.unfold(F.pad(x, (1, 1, 1, 1), value=-1.0), 3, stride=2)
        return squash((self.h1_weight @ windows).flatten(1) + self.h1_bias).view(-1, 4, 4, 4)

    def h2(self, h1):
        windows = F.unfold(F.pad(h1, (1, 1, 1, 1), value=-1.0), 3, stride=2).view(len(h1), 4, 9, 4)
        sums = [
            torch.einsum("tk,bkp->btp", self.h2_weight[2 * k : 2 * k + 2], windows[:, g].flatten(1, 2))
            for k, g in enumerate(GROUPS)
        ]
        return squash(torch.cat(sums, 1).flatten(1) + self.h2_bias)


class MapsLast(Functional):
    """H2 with its maps last, so that the rows of H3's weights are in another order."""

    def h3(self, h2):
        return squash(h2.permute(0, 2, 3, 1).flatten(1) @ self.h3_weight + self.h3_bias)


class SumOfSquares(Functional):
    """The sum over the four outputs with a quarter of the rate: the same steps."""

    def cost(self, outputs, targets):
        return ((outputs - targets) ** 2).sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1 / 4)


class ClosureSgd(torch.optim.SGD):
    """An optimizer that asks for a closure, as LBFGS does."""

    def step(self, closure):
        return super().step(closure)


class Closure(Functional):
    def configure_optimizers(self):
        return ClosureSgd(self.parameters(), lr=0.1)


class Momentum(Functional):
    """Momentum of torch adds up gradients: the rate of the description, times one minus the momentum."""

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1 * (1 - 0.9), momentum=0.9)


class Decay(Functional):
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1, weight_decay=0.01)


class TwoOptimizers(Functional):
    def configure_optimizers(self):
        names = dict(self.named_parameters())
        parts = [[p for name, p in names.items() if ("bias" in name) == of_bias] for of_bias in (True, False)]
        return [torch.optim.SGD(part, lr=0.1) for part in parts]


class Sequential(nn.Sequential):
    """Layers one after the other, whose names are numbers."""

    def __init__(self):
        super().__init__(
            nn.Flatten(), drawn(nn.Linear(64, 10), 64), nn.Tanh(), drawn(nn.Linear(10, 10), 10), nn.Tanh(),
            drawn(nn.Linear(10, 4), 10), nn.Tanh(),
        )  # fmt: skip


class Matrices(nn.Module):
    """Matrices as torch has them, (outputs, inputs), in a list; one of them is square."""

    def __init__(self):
        super().__init__()
        sizes = (64, 10, 10, 4)
        self.matrices = nn.ParameterList(uniform(a, b, a) for a, b in pairwise(sizes))
        self.offsets = nn.ParameterList(zeros(b) for b in sizes[1:])

    def forward(self, x):
        x = x.flatten(1)
        for matrix, offset in zip(self.matrices, self.offsets):
            x = torch.tanh(F.linear(x, matrix, offset))
        return x


class Normed(nn.Module):
    """Weight normalization by the parametrization of torch."""

    normalized = staticmethod(nn.utils.parametrizations.weight_norm)

    def __init__(self):
        super().__init__()
        normalized = self.normalized
        self.h1, self.h1_bias = normalized(drawn(nn.Conv2d(1, 4, 3, stride=2, bias=False), 9)), zeros(4, 4, 4)
        self.h2 = nn.ModuleList(normalized(drawn(nn.Conv2d(3, 2, 3, stride=2, bias=False), 27)) for _ in GROUPS)
        self.h2_bias = zeros(4, 2, 2)
        self.h3 = normalized(drawn(nn.Linear(16, 8), 16))
        self.output = normalized(drawn(nn.Linear(8, 4), 8))

    def forward(self, x):
        h1 = F.pad(torch.tanh(self.h1(F.pad(x, (1, 1, 1, 1), value=-1.0)) + self.h1_bias), (1, 1, 1, 1), value=-1.0)
        h2 = torch.tanh(torch.cat([conv(h1[:, maps]) for conv, maps in zip(self.h2, GROUPS)], 1) + self.h2_bias)
        return torch.tanh(self.output(torch.tanh(self.h3(h2.flatten(1)))))


class NormedBefore(Normed):
    """Weight normalization as torch had it before parametrizations."""

    @staticmethod
    def normalized(module):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return nn.utils.weight_norm(module)


class NormedByHand(Functional):
    """Weight normalization written out."""

    squash = staticmethod(torch.tanh)

    def __init__(self):
        super().__init__()
        self.h1_gain, self.h2_gain, self.h3_gain, self.output_gain = zeros(4), zeros(4), zeros(8), zeros(4)
        for layer, axes in (("h1", (1, 2, 3)), ("h2", (1, 2, 3)), ("h3", 0), ("output", 0)):
            getattr(self, f"{layer}_gain").data = getattr(self, f"{layer}_weight").data.pow(2).sum(axes).sqrt()

    def h1(self, x):
        v = self.h1_weight
        w = v * (self.h1_gain / v.pow(2).sum((1, 2, 3)).sqrt())[:, None, None, None]
        return torch.tanh(F.conv2d(F.pad(x, (1, 1, 1, 1), value=-1.0), w, stride=2) + self.h1_bias)

    def h2(self, h1):
        h1, v = F.pad(h1, (1, 1, 1, 1), value=-1.0), self.h2_weight
        w = v * (self.h2_gain / v.pow(2).sum((1, 2, 3)).sqrt())[:, None, None, None]
        sums = [F.conv2d(h1[:, g], w[2 * k : 2 * k + 2], stride=2) for k, g in enumerate(GROUPS)]
        return torch.tanh(torch.cat(sums, 1) + self.h2_bias)

    def h3(self, h2):
        return torch.tanh(h2.flatten(1) @ (self.h3_weight / self.h3_weight.norm(dim=0) * self.h3_gain) + self.h3_bias)

    def output(self, h3):
        w = self.output_weight / self.output_weight.norm(dim=0) * self.output_gain
        return torch.tanh(h3 @ w + self.output_bias)


class Classes(Masked):
    """ReLU and logits, AdamW with a falling rate, as plain PyTorch has it."""

    passes = 80

    def __init__(self):
        super().__init__()
        self.drop = nn.Identity()

    def forward(self, x):
        h1 = F.relu(self.h1(self.pad(x)) + self.h1_bias)
        h2 = F.relu(F.conv2d(self.pad(h1), self.h2.weight * self.mask, stride=2).add_(self.h2_bias), inplace=True)
        return self.output(F.relu(self.h3(self.drop(h2).flatten(1))))

    def cost(self, outputs, targets):
        return F.cross_entropy(outputs, targets.argmax(1))

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=3e-3, weight_decay=0.01)
        return optimizer, torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 1 / 3, self.passes - 1)


class Lightning(Classes):
    """What Lightning expects: a dictionary."""

    def configure_optimizers(self):
        optimizer, scheduler = super().configure_optimizers()
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch", "frequency": 1}}


class LightningLists(Classes):
    """What Lightning expects: two lists, and a scheduler stepped after each update."""

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=3e-3, weight_decay=0.01)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - 2 / 3 * (step // 10) / 79)
        return [optimizer], [{"scheduler": scheduler, "interval": "step"}]


class ByHand(Classes):
    """A scheduler of one's own, and groups of parameters with the same options."""

    def configure_optimizers(self):
        biases = [p for name, p in self.named_parameters() if "bias" in name]
        others = [p for name, p in self.named_parameters() if "bias" not in name]
        optimizer = torch.optim.AdamW([{"params": others}, {"params": biases}], lr=3e-3, weight_decay=1e-2)

        class Schedule:
            done = 0

            def step(self):
                self.done += 1
                for group in optimizer.param_groups:
                    group["lr"] = 3e-3 + (1e-3 - 3e-3) * self.done / 79

        return optimizer, Schedule()


class Dropped(Classes):
    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(0.25)


class LogSoftmax(Classes):
    """forward returns the logarithms of probabilities."""

    def forward(self, x):
        return F.log_softmax(super().forward(x), 1)

    def cost(self, outputs, targets):
        return F.nll_loss(outputs, targets.argmax(1))


class Probabilities(Classes):
    """forward returns probabilities; the cost takes their logarithm."""

    def forward(self, x):
        return torch.softmax(super().forward(x), 1)

    def cost(self, outputs, targets):
        return -(targets * outputs.log()).sum()


class PlainProbabilities(Probabilities):
    """forward returns probabilities; cost and rule are those of the training."""

    cost = configure_optimizers = None


class Tokens(nn.Module):
    """A transformer over (patterns, tokens, features), queries, keys and values by one Linear."""

    scale, axis, epsilon, skip = 4**-0.5, -1, 1e-5, 1.0

    def __init__(self):
        super().__init__()
        self.patch = nn.Linear(16, 8, bias=False)
        self.position = zeros(1, 4, 8)
        self.qkv, self.joined = nn.Linear(8, 24, bias=False), nn.Linear(8, 8, bias=False)
        self.f, self.o, self.output = nn.Linear(8, 12), nn.Linear(12, 8), nn.Linear(32, 4)

    def heads(self, x):
        return x.view(len(x), 4, 2, 4).transpose(1, 2)

    def norm(self, x):
        return F.layer_norm(x, (8,), eps=self.epsilon)

    def attention(self, x):
        q, k, v = map(self.heads, self.qkv(x).chunk(3, -1))
        share = torch.softmax(q @ k.transpose(-1, -2) * self.scale, self.axis)
        return self.joined((share @ v).transpose(1, 2).reshape(len(x), 4, 8))

    def forward(self, x):
        patches = x.unfold(2, 4, 4).unfold(3, 4, 4).reshape(len(x), 4, 16)
        x = self.patch(patches) + self.position
        x = x + self.attention(self.norm(x))
        hidden = F.dropout(F.relu(self.f(self.norm(x))), 0.25, self.training)
        return self.output((self.skip * x + self.o(hidden)).flatten(1))


class TokensApart(Tokens):
    """Three matrices, heads by einsum, no dropout."""

    def __init__(self):
        super().__init__()
        del self.qkv
        self.q, self.k, self.v = (nn.Linear(8, 8, bias=False) for _ in range(3))

    def attention(self, x):
        q, k, v = (part(x).view(len(x), 4, 2, 4) for part in (self.q, self.k, self.v))
        share = torch.softmax(torch.einsum("bihd,bjhd->bhij", q, k) * self.scale, self.axis)
        return self.joined(torch.einsum("bhij,bjhd->bihd", share, v).reshape(len(x), 4, 8))

    def forward(self, x):
        x = self.patch(x.unfold(2, 4, 4).unfold(3, 4, 4).reshape(len(x), 4, 16)) + self.position
        x = x + self.attention(self.norm(x))
        return self.output((x + self.o(F.relu(self.f(self.norm(x))))).flatten(1))


class TokensAsMaps(nn.Module):
    """The same transformer over maps, by convolutions of 1 x 1."""

    def __init__(self):
        super().__init__()
        self.patch, self.patch_bias = nn.Conv2d(1, 8, 4, stride=4, bias=False), zeros(8, 2, 2)
        self.q, self.k, self.v = (nn.Conv2d(8, 8, 1, bias=False) for _ in range(3))
        self.a = nn.Conv2d(8, 8, 1, bias=False)
        self.f, self.o, self.output = nn.Conv2d(8, 12, 1), nn.Conv2d(12, 8, 1), nn.Linear(32, 4)
        self.drop = nn.Dropout(0.25)

    def norm(self, x):
        return F.layer_norm(x.movedim(1, -1), (8,)).movedim(-1, 1)

    def forward(self, x):
        x = self.patch(x) + self.patch_bias
        n = self.norm(x)
        q, k, v = (part(n).view(len(x), 2, 4, 4).transpose(2, 3) for part in (self.q, self.k, self.v))
        a = F.scaled_dot_product_attention(q, k, v).transpose(2, 3).reshape(len(x), 8, 2, 2)
        x = x + self.a(a)
        return self.output((x + self.o(self.drop(F.relu(self.f(self.norm(x)))))).flatten(1))
