#!lua flags=allow-oom
-- prune_type: a type's own retention, shorter than the partition's; one bounded slice a call.
--   KEYS[1]  the partition's marker
--   ARGV     type, age ms, tombstone ms
-- Returns  {completed, cancelled, dead removed, 1 when there is more}
-- Changes  what of the type ended long enough ago goes: hashes, its own journal, indexes, counters.
-- May be repeated.
--# include lib_base lib_counters lib_tasks_read lib_tasks lib_prune
local typ = ARGV[1]
local old = NOW - math.max(tonumber(ARGV[2]), tonumber(ARGV[3]))
local completed, more_done = prune_type_done(typ, 256, old)
local cancelled, more_cancelled = prune_index('CANCELLED', typ, old)
local dead, more_dead = prune_index('DEAD', typ, old)
apply(P .. 'counts', counts)
return { completed, cancelled, dead, (more_done or more_cancelled or more_dead) and 1 or 0 }
