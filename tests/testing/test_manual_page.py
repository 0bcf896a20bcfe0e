"""A page is taken apart into what is typed, what is shown, and its files."""

from __future__ import annotations

import pytest

from nodedns.testing.manual_page import ManualPage, Typed

PAGE = ManualPage(
    """\
The page
========

First
-----

Some text.

.. code-block:: console

    $ one -a
    $ two 'b c'
    shown

      and indented
    $ three

.. code-block:: text
   :caption: ~/a file

    line

      two

And more.

Second
~~~~~~

.. code-block:: console

    $ four
"""
)


def test_commands_of_a_section_have_what_they_print() -> None:
    assert [
        Typed("one -a", ""),
        Typed("two 'b c'", "shown\n\n  and indented\n"),
        Typed("three", ""),
    ] == PAGE.typed("First")


def test_section_ends_at_the_next_heading_of_any_level() -> None:
    assert ([], ["four"]) == (PAGE.typed("The page"), [typed.command for typed in PAGE.typed("Second")])


def test_file_is_found_by_its_caption() -> None:
    assert "line\n\n  two\n" == PAGE.captioned("~/a file")


def test_files_are_those_with_a_caption_however_deep_they_stand() -> None:
    assert {"~/a file": "line\n\n  two\n"} == PAGE.files()
    assert {"b": "one\n two\n"} == ManualPage(".. code-block:: text\n   :caption: b\n\n   one\n    two\n").files()


def test_files_of_one_caption_are_an_error() -> None:
    block = ".. code-block:: text\n   :caption: b\n\n   one\n\n"
    with pytest.raises(AssertionError, match="not all different"):
        ManualPage(block * 2).files()


def test_what_the_page_does_not_have_is_an_error() -> None:
    with pytest.raises(ValueError, match="not enough"):
        PAGE.typed("Third")
    with pytest.raises(ValueError, match="not enough"):
        PAGE.captioned("none")
