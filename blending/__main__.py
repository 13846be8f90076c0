"""`python -m blending`: see `blending.cli`."""

import gc
import sys


def start() -> int:
    """Load the command line and run it; an interrupt while it is loaded is told in one line, too.

    Returns:
        The exit status.
    """
    try:
        try:
            from .cli.waiting import wait_briefly
        except ModuleNotFoundError:  # the registry's set is without it
            pass
        else:
            wait_briefly()
        from .cli.main import main

        return main()
    except KeyboardInterrupt:  # before `main` listens
        sys.stderr.write("blending: interrupted, nothing written\n")
        return 130


if __name__ == "__main__":
    status = start()
    gc.freeze()  # the process ends: nobody needs to look for cycles in all of torch before it does
    sys.exit(status)
