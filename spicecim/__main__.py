"""``python -m spicecim`` is the command line."""

from spicecim.cli import main

main()
