"""``python -m reports.engine FILE``: a file's totals, from the command line. No database, no settings."""

import sys

from reports.engine.cli import main

sys.exit(main())
