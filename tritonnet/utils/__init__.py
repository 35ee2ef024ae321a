"""PyTorch's `torch.utils`: the names that programs look for there."""
