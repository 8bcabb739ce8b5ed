"""Networks whose weights fit a crossbar: projections, and training that finds such weights.

What trains needs PyTorch, the extra ``networks``, and raises `MissingPackageError` without; the rest does not.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
