"""All that speaks Redis: keys, Lua verbs, connections, and what their replies mean.

Nothing outside this package imports redis or names a key.
"""
