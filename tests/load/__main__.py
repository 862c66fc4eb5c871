"""``python -m tests.load``."""

from tests.load.run import main

main()
