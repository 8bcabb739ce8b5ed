"""FORMS beside ISAAC: throughput, area, power and frames per second from components."""

from spicecim.validation.forms_architecture.run import validate_forms_architecture

__all__ = ["validate_forms_architecture"]
