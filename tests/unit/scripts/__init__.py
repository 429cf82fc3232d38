"""The scripts that check the project."""
