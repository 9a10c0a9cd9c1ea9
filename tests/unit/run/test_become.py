"""What becomes of a process of ours in a container."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from lamina.run import become, init


def test_cve_2019_14271_no_module_is_loaded_where_paths_are_the_containers(tmp_path: Path) -> None:
    (tmp_path / "theirs.py").write_text("print('theirs')\n")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from lamina.run.become import import_nothing\n"
        "import_nothing()\n"
        "import lamina.errors\n"  # what is there already still is
        "try:\n    import theirs\nexcept ImportError:\n    print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "refused\n"


def test_what_is_imported_late_is_loaded_before_the_container_is_entered() -> None:
    tree = ast.parse(Path(become.__file__).read_text())
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    late: dict[str, set[str]] = {}
    for function in functions:
        for node in ast.walk(function):
            if isinstance(node, ast.ImportFrom):
                late.setdefault(function.name, set()).add(str(node.module))
            elif isinstance(node, ast.Import):
                late.setdefault(function.name, set()).update(alias.name for alias in node.names)
    early = late.pop("be_alone")
    assert set().union(*late.values()) <= early


def test_nothing_is_imported_late_by_the_first_process() -> None:
    tree = ast.parse(Path(init.__file__).read_text())
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    nodes = [node for function in functions for node in ast.walk(function)]
    assert not [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
