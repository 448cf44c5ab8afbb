"""`python -m adaqueue` is the command `adaqueue`."""

from adaqueue.cli import main

main()
