"""`python -m dmlviz …`."""

import sys

from dmlviz.cli import main

if __name__ == "__main__":
    sys.exit(main())
