"""Train the net of 1989 with the choices of 2022: a training script of the usual shape, with a loop of its own."""

import argparse
import json
import os

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim


class ZipNet(nn.Module):
    def __init__(self):
        super().__init__()
        draw = lambda fan_in, *shape: (torch.rand(*shape) - 0.5) * 2 * 2.4 / fan_in**0.5  # noqa: E731
        self.k1 = nn.Parameter(draw(25, 12, 1, 5, 5))
        self.c1 = nn.Parameter(torch.zeros(12, 8, 8))
        self.k2 = nn.Parameter(draw(200, 12, 8, 5, 5))
        self.c2 = nn.Parameter(torch.zeros(12, 4, 4))
        self.w3 = nn.Parameter(draw(192, 192, 30))
        self.c3 = nn.Parameter(torch.zeros(30))
        self.w4 = nn.Parameter(draw(30, 30, 10))
        self.c4 = nn.Parameter(-torch.ones(10))

    def forward(self, x):
        x = F.pad(x, (2, 2, 2, 2), "constant", -1.0)
        x = F.conv2d(x, self.k1, stride=2) + self.c1
        x = torch.tanh(x)
        x = F.pad(x, (2, 2, 2, 2), "constant", -1.0)
        first = F.conv2d(x[:, 0:8], self.k2[0:4], stride=2)
        second = F.conv2d(x[:, 4:12], self.k2[4:8], stride=2)
        third = F.conv2d(torch.cat((x[:, 0:4], x[:, 8:12]), dim=1), self.k2[8:12], stride=2)
        x = torch.cat((first, second, third), dim=1) + self.c2
        x = torch.tanh(x)
        x = x.flatten(start_dim=1)
        x = x @ self.w3 + self.c3
        x = torch.tanh(x)
        x = x @ self.w4 + self.c4
        x = torch.tanh(x)
        return x


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float, default=0.03)
    parser.add_argument("--passes", type=int, default=2)
    parser.add_argument("--out", default="out")
    args = parser.parse_args()

    torch.manual_seed(1337)
    np.random.seed(1337)
    os.makedirs(args.out, exist_ok=True)
    with open(os.path.join(args.out, "args.json"), "w") as file:
        json.dump(vars(args), file)

    net = ZipNet()
    Xtr, Ytr = torch.load("train.pt")
    Xte, Yte = torch.load("test.pt")
    optimizer = optim.SGD(net.parameters(), lr=args.rate)

    def evaluate(split):
        net.eval()
        X, Y = (Xtr, Ytr) if split == "train" else (Xte, Yte)
        Yhat = net(X)
        loss = torch.mean((Y - Yhat) ** 2)
        wrong = torch.mean((Y.argmax(dim=1) != Yhat.argmax(dim=1)).float())
        misses = round(wrong.item() * Y.size(0))
        print(f"eval: split {split:5s}. loss {loss.item():e}. error {wrong.item() * 100:.2f}%. misses: {misses}")

    for number in range(args.passes):
        net.train()
        for step in range(Xtr.size(0)):
            x, y = Xtr[[step]], Ytr[[step]]
            yhat = net(x)
            loss = torch.mean((y - yhat) ** 2)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        print(number + 1)
        evaluate("train")
        evaluate("test")
    torch.save(net.state_dict(), os.path.join(args.out, "model.pt"))
