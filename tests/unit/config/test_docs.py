"""The page on bgmon.yml says what the schema says."""

from __future__ import annotations

from tools.config_docs import PAGE, render


def test_the_configuration_page_is_up_to_date() -> None:
    """Refresh it with: python -m tools.config_docs."""
    assert PAGE.read_text(encoding="utf-8") == render()
