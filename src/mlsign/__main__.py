"""``python -m mlsign``."""

from mlsign.cli.main import main

main()
