"""Any PyTorch network on crossbars: weights that a scheme holds, and layers that run on its crossbars.

All of it needs PyTorch, the extra ``networks``, and raises `MissingPackageError` without.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
