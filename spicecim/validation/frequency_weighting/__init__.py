"""What the claims of frequency weighting measure to."""

from spicecim.validation.frequency_weighting.run import validate_frequency_weighting

__all__ = ["validate_frequency_weighting"]
