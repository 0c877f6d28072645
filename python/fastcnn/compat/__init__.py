"""Other libraries made to work, or to work faster, on fastcnn's kernels."""
