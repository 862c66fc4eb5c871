"""``python -m salesagg.client upload FILE``: a file's report, from the command line."""

import sys

from salesagg.client.cli import main

sys.exit(main())
