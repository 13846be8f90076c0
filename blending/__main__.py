"""`python -m blending`: see `blending.cli`."""

import gc
import sys

from .cli.main import main

if __name__ == "__main__":
    try:
        from .cli.waiting import wait_briefly
    except ModuleNotFoundError:  # the registry's set is without it
        pass
    else:
        wait_briefly()
    status = main()
    gc.freeze()  # the process ends: nobody needs to look for cycles in all of torch before it does
    sys.exit(status)
