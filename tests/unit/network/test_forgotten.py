"""What stores that are gone have left, for who may not look after it."""

from __future__ import annotations

import os

from lamina.network.forgotten import Forgotten, remove_forgotten


def test_who_may_not_change_networks_leaves_all_as_it_is() -> None:
    """In the host's namespace, as an ordinary user or as root of a container is."""
    pid = os.fork()
    if pid == 0:
        try:
            if os.geteuid() == 0:
                os.setresuid(65534, 65534, 65534)
            os._exit(remove_forgotten() != Forgotten())
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
