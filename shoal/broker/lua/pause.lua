#!lua flags=allow-oom
-- pause: stop claims of a queue, a queue and priority, or all ('*').
--   KEYS[1]  the partition's marker
--   ARGV     target (<queue> | <queue>:<priority> | *)
-- Returns  1 when it was not paused before
-- Changes  `paused`. May be repeated.
--# include lib_base
return call('SADD', P .. 'paused', ARGV[1])
