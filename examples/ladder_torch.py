"""The last step of the ladder of 2022, coded by hand in PyTorch: the same net as `ladder-5` in nets/ladder.sn.

`snsim compare nets/ladder.sn examples/ladder_torch.py:Net --only ladder-5` compares it with snsim.
`python examples/ladder_torch.py` trains it for two passes on the digits of scikit-learn (install it first).
"""

import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    """16x16 -> 12 maps 8x8 -> 12 maps 4x4, a quarter of them dropped -> 30 -> 10; every unit has its own bias."""

    def __init__(self) -> None:
        super().__init__()
        self.h1 = nn.Conv2d(1, 12, 5, stride=2, bias=False)
        self.h1_bias = nn.Parameter(torch.zeros(12, 8, 8))
        self.h2 = nn.Conv2d(12, 12, 5, stride=2, bias=False)
        self.h2_bias = nn.Parameter(torch.zeros(12, 4, 4))
        self.dropout = nn.Dropout(0.25)
        self.h3 = nn.Linear(192, 30)
        self.output = nn.Linear(30, 10)
        joined = torch.zeros(12, 12, 1, 1)  # H2 map, H1 map: three groups of four H2 maps read eight H1 maps each
        joined[:4, :8] = joined[4:8, 4:] = joined[8:, :4] = joined[8:, 8:] = 1
        self.register_buffer("joined", joined)
        for layer, fan_in in ((self.h1, 25), (self.h2, 200), (self.h3, 192), (self.output, 30)):
            nn.init.uniform_(layer.weight, -2.4 / fan_in**0.5, 2.4 / fan_in**0.5)
        nn.init.zeros_(self.h3.bias)
        nn.init.zeros_(self.output.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (patterns, 1, 16, 16) in -1..1. Returns (patterns, 10), the logits."""
        h1 = F.relu(self.h1(F.pad(x, (2, 2, 2, 2), value=-1.0)) + self.h1_bias)
        h1 = F.pad(h1, (2, 2, 2, 2), value=-1.0)
        h2 = F.relu(F.conv2d(h1, self.h2.weight * self.joined, stride=2) + self.h2_bias)
        return self.output(F.relu(self.h3(self.dropout(h2).flatten(1))))

    def cost(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(outputs, targets)

    def configure_optimizers(self, passes: int = 80) -> tuple:
        """Return AdamW with PyTorch's defaults; its rate falls from 3e-4 in the first pass to 1e-4 in the last."""
        optimizer = torch.optim.AdamW(self.parameters(), lr=3e-4)
        return optimizer, torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 1 / 3, passes - 1)


def main(passes: int = 2) -> None:
    from sklearn.datasets import load_digits

    torch.set_num_threads(1)  # one pattern at a time is too little work for two threads
    pictures, labels = (torch.tensor(part) for part in load_digits(return_X_y=True))
    inputs = F.interpolate(pictures.float().view(-1, 1, 8, 8) / 8 - 1, size=(16, 16), mode="bilinear")
    net = Net()
    optimizer, scheduler = net.configure_optimizers(passes)
    for _ in range(passes):
        for x, label in zip(inputs[:1437], labels[:1437]):
            x = torch.roll(x, torch.randint(-1, 2, (2,)).tolist(), (1, 2))
            optimizer.zero_grad()
            net.cost(net(x[None]), label[None]).backward()
            optimizer.step()
        scheduler.step()
    misses = int((net.eval()(inputs[1437:]).argmax(1) != labels[1437:]).sum())
    print(f"{misses} of {len(inputs) - 1437} test digits missed after {passes} passes")


if __name__ == "__main__":
    main()
