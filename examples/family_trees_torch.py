"""The net of the family trees, coded by hand in PyTorch: that of nets/family-trees.sn.

`snsim compare nets/family-trees.sn examples/family_trees_torch.py:Net` compares it with snsim.
"""

import torch
from torch import nn


class Net(nn.Module):
    """24 people and 12 relations -> 6 and 6 -> 12 -> 6 -> 24 people."""

    def __init__(self) -> None:
        super().__init__()
        self.who = nn.Linear(24, 6)
        self.how = nn.Linear(12, 6)
        self.from_who = nn.Linear(6, 12)
        self.from_how = nn.Linear(6, 12, bias=False)
        self.code = nn.Linear(12, 6)
        self.answer = nn.Linear(6, 24)

    def forward(self, person: torch.Tensor, relation: torch.Tensor) -> torch.Tensor:
        """person: (patterns, 24); relation: (patterns, 12). Returns (patterns, 24)."""
        who, how = torch.sigmoid(self.who(person)), torch.sigmoid(self.how(relation))
        both = torch.sigmoid(self.from_who(who) + self.from_how(how))
        return torch.sigmoid(self.answer(torch.sigmoid(self.code(both))))
