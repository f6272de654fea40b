"""``python -m gaugenet``."""

from gaugenet.cli import main

main()
