"""Models outside PyTorch."""
