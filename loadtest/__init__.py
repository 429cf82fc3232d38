"""Drives Shoal from outside and measures it: ``python -m loadtest drain|submit|pickup|endtoend``.

The measured system is the one that users run: a real server, real ``shoal worker`` processes,
the public client. Nothing is switched off; what is set differently from the defaults is said in
the report.
"""
