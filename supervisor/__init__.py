"""Process 1: the supervisor that forks, watches and restarts the shards of one host."""
