"""The reference of settings is made from the settings."""

from pathlib import Path

from shoal.config_docs import configuration_page
from shoal.config_load import all_settings

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"


def test_the_page_in_docs_is_the_one_the_table_makes() -> None:
    """docs/configuration.md is current; `python -m shoal.config_docs` makes it."""
    assert PAGE.read_text("utf-8") == configuration_page()


def test_every_setting_has_its_line() -> None:
    """Each name stands in the page with a meaning that is a sentence."""
    page = configuration_page()
    for _, about, _ in all_settings():
        if about.name:
            assert f"| `{about.name}`" in page
            assert about.meaning.endswith(".")
