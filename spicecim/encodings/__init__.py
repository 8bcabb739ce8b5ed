"""Schemes by which weights and inputs become crossbars and drives, and waveforms become products again.

Every scheme follows one protocol: ``scheme.program(weights)`` gives a `Programmed`, which multiplies whole layers in
the reference engine, or as testbenches in any.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
