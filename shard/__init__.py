"""Process 2: a shard, which claims tasks, runs their handlers and settles the outcomes."""
