"""Twins of nets.sn with one planted fault each: twins.toml has the cause of each. Nothing of snsim is imported."""

import torch
from correct import GROUPS, Classes, Dropped, Functional, Masked, Momentum, Probabilities, Tokens, TokensApart, squash
from torch import nn
from torch.nn import functional as F

# ---- The net -----------------------------------------------------------------------------------------------------


class SwappedGroups(Functional):
    groups = GROUPS[::-1]


class OneWrongGroup(Functional):
    """The last two maps of H2 read the maps of the first two."""

    groups = (GROUPS[0], GROUPS[0])


class ZeroBorder(Functional):
    h1_border = 0.0


class ZeroBorderOfH1(Functional):
    h2_border = 0.0


class SharedBias(Functional):
    """One bias for each map of H2; they are all 0 at first."""

    def h2(self, h1):
        bias, self.h2_bias.data = self.h2_bias, self.h2_bias.data
        h1 = F.pad(h1, (1, 1, 1, 1), value=-1.0)
        sums = [F.conv2d(h1[:, g], self.h2_weight[2 * k : 2 * k + 2], stride=2) for k, g in enumerate(GROUPS)]
        return squash(torch.cat(sums, 1) + bias[:, :1, :1])


class RoundedConstant(Functional):
    @staticmethod
    def squash(s):
        return 1.7159 * torch.tanh(2 / 3 * s)


class RoundedSlope(Functional):
    def h3(self, h2):
        s = h2.flatten(1) @ self.h3_weight + self.h3_bias
        return 1 / torch.tanh(torch.tensor(2 / 3, dtype=s.dtype)) * torch.tanh(0.66666 * s)


class PlainTanh(Functional):
    def h3(self, h2):
        return torch.tanh(h2.flatten(1) @ self.h3_weight + self.h3_bias)


class TransposedKernel(Functional):
    def h1(self, x):
        x = F.pad(x, (1, 1, 1, 1), value=-1.0)
        return squash(F.conv2d(x, self.h1_weight.transpose(2, 3), stride=2) + self.h1_bias)


class FlippedKernel(Functional):
    """A true convolution, with the kernel turned, where the description has a correlation."""

    def h2(self, h1):
        h1, kernel = F.pad(h1, (1, 1, 1, 1), value=-1.0), self.h2_weight.flip(2, 3)
        sums = [F.conv2d(h1[:, g], kernel[2 * k : 2 * k + 2], stride=2) for k, g in enumerate(GROUPS)]
        return squash(torch.cat(sums, 1) + self.h2_bias)


class WithoutBias(Functional):
    def h3(self, h2):
        return squash(h2.flatten(1) @ self.h3_weight)


class LinearOutput(Functional):
    def output(self, h3):
        return h3 @ self.output_weight + self.output_bias


class Cut(Functional):
    def h3(self, h2):
        return super().h3(h2.detach())


class ForgottenMask(Masked):
    """The weights of absent pairs start at 0 and learn."""

    def __init__(self):
        super().__init__()
        self.mask.fill_(1)


class LostParameter(Functional):
    """No bias of H2 at all."""

    def __init__(self):
        super().__init__()
        self.h2_bias = None


class UnscaledAttention(TokensApart):
    scale = 1.0


class WrongAxis(Tokens):
    """softmax over the queries instead of the keys."""

    axis = -2


class NormWithoutCare(Tokens):
    """Another constant in the normalization."""

    epsilon = 1e-3


class WithoutSkip(Tokens):
    skip = 0.0


# ---- Cost and gradients ------------------------------------------------------------------------------------------


class SumOfSquares(Functional):
    def cost(self, outputs, targets):
        return ((outputs - targets) ** 2).sum()


class Absolute(Functional):
    def cost(self, outputs, targets):
        return F.l1_loss(outputs, targets)


class SoftmaxTwice(Probabilities):
    def cost(self, outputs, targets):
        return F.cross_entropy(outputs, targets)


class NoZeroGrad(Functional):
    """Gradients pile up, as without zero_grad()."""

    def zero_grad(self, set_to_none=True):
        pass


# ---- Optimizer and schedule --------------------------------------------------------------------------------------


class HalfRate(Functional):
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.05)


class HalfRateOfH3(Functional):
    def configure_optimizers(self):
        others = [p for p in self.parameters() if p is not self.h3_weight]
        return torch.optim.SGD([{"params": others}, {"params": [self.h3_weight], "lr": 0.05}], lr=0.1)


class NotInOptimizer(Functional):
    def configure_optimizers(self):
        return torch.optim.SGD([p for p in self.parameters() if p is not self.output_bias], lr=0.1)


class RateOfMomentum(Functional):
    """The rate not divided for the momentum of torch, ten times too large."""

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)


class Lbfgs(Functional):
    """A quasi-Newton method, which asks for a closure."""

    def configure_optimizers(self):
        return torch.optim.LBFGS(self.parameters(), lr=0.1, max_iter=2)


class Nesterov(Momentum):
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1 * (1 - 0.9), momentum=0.9, nesterov=True)


class LessMomentum(Momentum):
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1 * (1 - 0.9), momentum=0.8)


class OneStepEarly(Classes):
    """The scheduler is stepped before the first pass."""

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=3e-3, weight_decay=0.01)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda done: 1 - 2 / 3 * (done + 1) / 79)
        return optimizer, scheduler


class OneStepTooMany(Classes):
    """LinearLR over the 80 passes instead of the 79 steps between them."""

    passes = 81


class StepEachUpdate(Classes):
    """The scheduler of passes is stepped after each update."""

    def configure_optimizers(self):
        optimizer, scheduler = super().configure_optimizers()
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


class Options(Classes):
    """AdamW with other options than those of the training."""

    options = {}

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), **{"lr": 3e-3, "weight_decay": 0.01, **self.options})
        return optimizer, torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 1 / 3, 79)


class Betas(Options):
    options = {"betas": (0.9, 0.99)}


class Amsgrad(Options):
    options = {"amsgrad": True}


class Epsilon(Options):
    options = {"eps": 1e-6}


class NoDecay(Options):
    options = {"weight_decay": 0.0}


class DecayOfWeightsOnly(Classes):
    """No decay on biases, as many do."""

    def configure_optimizers(self):
        biases = [p for name, p in self.named_parameters() if "bias" in name]
        others = [p for name, p in self.named_parameters() if "bias" not in name]
        groups = [{"params": others, "weight_decay": 0.01}, {"params": biases, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=3e-3)
        return optimizer, torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 1 / 3, 79)


class DecayInGradient(Classes):
    """Adam, which adds the decay to the gradient."""

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters(), lr=3e-3, weight_decay=0.01)
        return optimizer, torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 1 / 3, 79)


class DecayByHand(Classes):
    """The decay taken off the weights without the rate, by an optimizer of one's own."""

    def configure_optimizers(self):
        module = self

        class Decaying(torch.optim.AdamW):
            def step(self, closure=None):
                super().step(closure)
                with torch.no_grad():
                    module.h3.weight.mul_(1 - 1e-6)

        optimizer = Decaying(self.parameters(), lr=3e-3, weight_decay=0.01)
        return optimizer, torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 1 / 3, 79)


# ---- Training and evaluation -------------------------------------------------------------------------------------


class AlwaysDropped(Classes):
    """eval() forgotten: dropout in the evaluation too."""

    def __init__(self):
        super().__init__()
        del self.drop

    def drop(self, h2):
        return F.dropout(h2, 0.25)


class NeverDropped(Dropped):
    """train() forgotten: no dropout at all."""

    def train(self, mode=True):
        return super().train(False)


class MoreDropped(Classes):
    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(0.5)


class WideInitial(Functional):
    """Weights in +-2.4 instead of +-2.4 over the root of the fan-in."""

    def __init__(self):
        super().__init__()
        for name in ("h1_weight", "h2_weight", "h3_weight"):
            nn.init.uniform_(getattr(self, name), -2.4, 2.4)
