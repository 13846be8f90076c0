"""`python -m blending`: see `blending.cli`."""

import sys

from .cli.main import main

if __name__ == "__main__":
    try:
        from .cli.waiting import wait_briefly
    except ModuleNotFoundError:  # the registry's set is without it
        pass
    else:
        wait_briefly()
    sys.exit(main())
