"""The net of 1989 with the choices of 2022 in the style of a library: a kernel for each group, a loader, a trainer."""

from math import sqrt

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

GROUPS = ((0, 1, 2, 3, 4, 5, 6, 7), (4, 5, 6, 7, 8, 9, 10, 11), (0, 1, 2, 3, 8, 9, 10, 11))


class UnitBias(nn.Module):
    def __init__(self, *shape, value=0.0):
        super().__init__()
        self.bias = nn.Parameter(torch.full(shape, value))

    def forward(self, x):
        return x + self.bias


class Groups(nn.Module):
    def __init__(self):
        super().__init__()
        self.kernels = nn.ModuleList(nn.Conv2d(8, 4, 5, stride=2, bias=False) for _ in GROUPS)

    def forward(self, x):
        return torch.cat([kernel(x[:, list(maps)]) for kernel, maps in zip(self.kernels, GROUPS)], dim=1)


class Digits(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.ConstantPad2d(2, -1.0),
            nn.Conv2d(1, 12, 5, stride=2, bias=False),
            UnitBias(12, 8, 8),
            nn.Tanh(),
            nn.ConstantPad2d(2, -1.0),
            Groups(),
            UnitBias(12, 4, 4),
            nn.Tanh(),
        )
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(192, 30), nn.Tanh(), nn.Linear(30, 10), nn.Tanh())
        for part in self.modules():
            if isinstance(part, (nn.Conv2d, nn.Linear)):
                bound = 2.4 / sqrt(part.weight[0].numel())
                nn.init.uniform_(part.weight, -bound, bound)
            if isinstance(part, nn.Linear):
                nn.init.zeros_(part.bias)
        nn.init.constant_(self.head[3].bias, -1.0)

    def forward(self, x):
        return self.head(self.features(x))


class Trainer:
    def __init__(self, model, passes):
        self.model, self.passes = model, passes
        self.optimizer = torch.optim.SGD(model.parameters(), lr=0.03)
        self.loss = nn.MSELoss()

    def fit(self, loader, parts):
        for _ in range(self.passes):
            self.model.train()
            for batch in loader:
                self.optimizer.zero_grad()
                self.training_step(batch).backward()
                self.optimizer.step()
            self.model.eval()
            for name, data in parts.items():
                print(f"{name}: accuracy {100 * self.accuracy(data):.2f} %")

    def training_step(self, batch):
        x, d = batch
        return self.loss(self.model(x), d)

    @torch.no_grad()
    def accuracy(self, data):
        right = [(self.model(x).argmax(1) == d.argmax(1)).float() for x, d in DataLoader(data, batch_size=32)]
        return torch.cat(right).mean().item()


def main():
    torch.manual_seed(3)
    parts = {name: TensorDataset(*torch.load(f"{name}.pt")) for name in ("train", "test")}
    Trainer(Digits(), 2).fit(DataLoader(parts["train"], batch_size=1, shuffle=False), parts)


if __name__ == "__main__":
    main()
