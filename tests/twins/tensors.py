"""The net of 1989 with the choices of 2022 from plain tensors: no module, no optimizer, steps by hand."""

import torch
import torch.nn.functional as F

torch.manual_seed(7)


def draw(fan_in, *shape):
    return ((torch.rand(*shape) - 0.5) * 2 * 2.4 / fan_in**0.5).requires_grad_()


k1, b1 = draw(25, 12, 1, 5, 5), torch.zeros(12, 8, 8, requires_grad=True)
k2, b2 = draw(200, 12, 8, 5, 5), torch.zeros(12, 4, 4, requires_grad=True)
w3, b3 = draw(192, 192, 30), torch.zeros(30, requires_grad=True)
w4, b4 = draw(30, 30, 10), torch.full((10,), -1.0, requires_grad=True)
weights = [k1, b1, k2, b2, w3, b3, w4, b4]


def edge(x):
    return F.pad(x, (2, 2, 2, 2), value=-1.0)


def compute(x):
    h1 = torch.tanh(F.conv2d(edge(x), k1, stride=2) + b1)
    h1 = edge(h1)
    parts = [h1[:, :8], h1[:, 4:], torch.cat((h1[:, :4], h1[:, 8:]), 1)]
    sums = [F.conv2d(part, k2[4 * k : 4 * k + 4], stride=2) for k, part in enumerate(parts)]
    h2 = torch.tanh(torch.cat(sums, 1) + b2)
    h3 = torch.tanh(h2.reshape(len(x), -1) @ w3 + b3)
    return torch.tanh(h3 @ w4 + b4)


train_x, train_d = torch.load("train.pt")
test_x, test_d = torch.load("test.pt")
rate = 0.03
for number in range(2):
    for x, d in zip(train_x, train_d):
        cost = ((compute(x[None]) - d) ** 2).mean()
        cost.backward()
        with torch.no_grad():
            for p in weights:
                p -= rate * p.grad
                p.grad = None
    with torch.no_grad():
        for split, x, d in (("train", train_x, train_d), ("test", test_x, test_d)):
            y = compute(x)
            misses = int((y.argmax(1) != d.argmax(1)).sum())
            print(f"pass {number + 1} {split} loss {((y - d) ** 2).mean():.6f}, {misses} misses")
