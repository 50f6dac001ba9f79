"""Export a net: as a page of plain PyTorch, as ONNX, as a program of torch.export, as object code."""
