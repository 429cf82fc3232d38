"""The application against real servers."""
