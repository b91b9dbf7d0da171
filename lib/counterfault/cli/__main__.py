"""So that `python -m counterfault.cli` works as the command does."""

from counterfault.cli import main

main()
