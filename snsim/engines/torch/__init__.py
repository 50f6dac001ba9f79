"""The torch engine, and a net as a torch.nn.Module. Needs PyTorch."""

from snsim.engines.torch.engine import TorchEngine

__all__ = ["TorchEngine"]
