"""The `lamina` console script: what must be set before anything else is imported."""

from __future__ import annotations

import gc


def main() -> None:
    """Run the command line and end the process."""
    # Imports and commands make many objects and hardly a cycle: looking for cycles among
    # them costs a start 4 ms.
    gc.set_threshold(50_000)
    from lamina.cli.main import main as run_and_exit

    run_and_exit()
