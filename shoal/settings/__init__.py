"""What each setting is: its name, kind, range, default and meaning."""
