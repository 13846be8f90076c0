"""What the pack never does, made impossible: network, other programs, pickle.

Python tells a hook of each of these before it happens (PEP 578). The hook cannot be taken away
again, so it belongs into a process of its own: a server of tests/comfy, or a test's child.
"""

import sys

FORBIDDEN = (
    *("socket.", "urllib.", "http.", "ftplib.", "smtplib.", "imaplib.", "poplib.", "webbrowser."),
    *("subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn"),
    *("os.startfile", "pty.", "pickle.", "shelve."),
)


def guard(folder: str) -> None:
    """From now on end with a PermissionError what code of a folder does, or has done, of these."""

    def refuse(event: str, arguments: tuple) -> None:
        if not event.startswith(FORBIDDEN):
            return
        frame = sys._getframe()
        while frame is not None:
            if frame.f_code.co_filename.startswith(folder):
                place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
                raise PermissionError(f"{event} {arguments} must not happen, got it by {place}")
            frame = frame.f_back

    sys.addaudithook(refuse)
