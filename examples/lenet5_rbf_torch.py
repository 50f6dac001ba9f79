"""LeNet-5 complete, coded by hand in PyTorch: the net and the cost of nets/lenet-5-rbf.sn.

`snsim compare nets/lenet-5-rbf.sn examples/lenet5_rbf_torch.py:Net --sgd 0.00001` compares it with snsim under plain
gradient descent. The layers up to F6 are those of lenet5_torch.py.
"""

import torch
from lenet5_torch import Features

# The ten codes side by side, each a picture of 7x12.
CODES = """
--xxx-- ---x--- -xxxxx- xxxxxxx ----xx- xxxxxxx --xxxx- xxxxxxx -xxxxx- -xxxxx-
-xx-xx- --xx--- xx---xx -----xx ----xx- xx----- -xx---- -----xx xx---xx xx---xx
xx---xx -xxx--- xx---xx ----xx- ---xxx- xx----- xx----- -----xx xx---xx xx---xx
xx---xx xxxx--- -----xx ---xx-- ---xxx- xx----- xx----- ----xx- xx---xx xx---xx
xx---xx --xx--- -----xx --xx--- --xxxx- xx----- xx----- ----xx- xx---xx xx---xx
xx---xx --xx--- ----xx- -xxxxx- --x-xx- xxxxxx- xxxxxx- ----xx- -xxxxx- -xxxxxx
xx---xx --xx--- ---xx-- -----xx -xx-xx- -----xx xx---xx ---xx-- -xxxxx- -----xx
xx---xx --xx--- --xx--- -----xx -x--xx- -----xx xx---xx ---xx-- xx---xx -----xx
xx---xx --xx--- -xx---- -----xx xxxxxxx -----xx xx---xx ---xx-- xx---xx -----xx
xx---xx --xx--- xx----- -----xx ----xx- -----xx xx---xx --xx--- xx---xx -----xx
-xx-xx- --xx--- xx----- xx---xx ----xx- xx---xx xx---xx --xx--- xx---xx ----xx-
--xxx-- xxxxxx- xxxxxxx -xxxxx- ----xx- -xxxxx- -xxxxx- --xx--- -xxxxx- -xxxx--
"""
J = 20  # of equation 9


def codes() -> torch.Tensor:
    """Return the codes as (10, 84), 1 for ink and -1 for paper."""
    lines = [line.split() for line in CODES.strip().splitlines()]
    drawn = ["".join(line[digit] for line in lines) for digit in range(10)]
    return torch.tensor([[1.0 if sign == "x" else -1.0 for sign in code] for code in drawn])


class Net(Features):
    """The layers up to F6 -> 10 distances."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("codes", codes())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (patterns, 1, 32, 32), background -1. Returns (patterns, 10): the penalties with a minus sign."""
        return -((self.features(x)[:, None, :] - self.codes) ** 2).sum(2)

    def cost(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return equation 9 of the paper, summed over the patterns."""
        penalties = -outputs
        right = penalties[targets.bool()]
        rest = torch.logaddexp(torch.logsumexp(-penalties, 1), torch.full_like(right, -J))
        return (right + rest).sum()
