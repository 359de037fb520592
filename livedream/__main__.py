"""The command line: `livedream`, and `python -m livedream`."""

from livedream.core.interrupts import interrupt_ends_at_once


def script() -> None:
    """The console command: `livedream.cli.script`, which takes a while to import."""
    with interrupt_ends_at_once():
        from livedream.cli import script as command
    command()


if __name__ == "__main__":
    script()
