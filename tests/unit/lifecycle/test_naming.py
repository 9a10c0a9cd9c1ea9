"""What a container may be called."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.lifecycle.naming import BadName, check_name


@given(st.text(st.sampled_from("aZ09_.-/ \n\u00e4\u0665"), max_size=4))
def test_a_name_is_what_the_pattern_says_that_the_error_names(text: str) -> None:
    name = text.removeprefix("/")
    if re.fullmatch("[a-zA-Z0-9][a-zA-Z0-9_.-]+", name):
        assert check_name(text) == name
        return
    with pytest.raises(BadName) as caught:
        check_name(text)
    assert f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-]+ " in str(caught.value)
