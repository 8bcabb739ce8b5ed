"""Networks whose weights fit a crossbar: projections and training that finds such weights.

What trains needs PyTorch, the extra ``training``; importing it without raises `MissingPackageError`.
"""
