"""SPICE-backed co-simulation of in-memory computing on memristor crossbars.

The names below are loaded when they are first used, so that importing the package costs next to nothing.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
