"""The command line: ``spicecim COMMAND``. Commands import what they need when they run, so that help is quick."""

from spicecim.cli.app import main

__all__ = ["main"]
