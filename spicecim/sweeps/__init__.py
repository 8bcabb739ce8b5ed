"""Sweeps and Monte Carlo: thousands of runs into a store that survives whatever happens to who fills it."""

from spicecim.sweeps.dataset import load_run, open_sweep
from spicecim.sweeps.run import Progress, retry_sweep, sweep

__all__ = ["Progress", "load_run", "open_sweep", "retry_sweep", "sweep"]
