"""`python -m blending`: see `blending.cli`."""

import gc
import sys
from importlib import import_module

COMMANDS = {"batch": "cluster", "gallery": "gallery"}  # by word, the folder


def _command(name: str) -> int:
    """Run what a word of its own asks for, with the arguments after it."""
    folder = f"{__package__}.{COMMANDS[name]}"
    try:
        import_module(folder)
    except ModuleNotFoundError as error:
        if error.name != folder:
            raise
        sys.stderr.write(
            f"blending: error: {name} is not part of what ComfyUI's registry ships: clone the "
            "repository\n"
        )
        return 2
    command = import_module(f"{folder}.command")
    return getattr(command, f"{name}_main")(sys.argv[2:])


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
        if sys.argv[1:2] and sys.argv[1] in COMMANDS:
            return _command(sys.argv[1])
        from .cli.main import main

        return main()
    except KeyboardInterrupt:  # before `main` listens
        sys.stderr.write("blending: interrupted, nothing written\n")
        return 130


if __name__ == "__main__":
    status = start()
    gc.freeze()  # the process ends: nobody needs to look for cycles in all of torch before it does
    sys.exit(status)
