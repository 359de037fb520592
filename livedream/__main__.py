"""`python -m livedream` is the command line."""

from livedream.cli import script

script()
