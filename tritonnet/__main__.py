"""``python -m tritonnet``: the same as the command ``tritonnet``."""

import sys

from tritonnet.cli import main

sys.exit(main())
