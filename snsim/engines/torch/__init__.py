"""The torch engine, and a net as a torch.nn.Module. Needs PyTorch."""
