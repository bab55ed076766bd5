"""`python -m dmlviz …`."""

import sys

from dmlviz.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
