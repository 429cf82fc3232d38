#!lua flags=allow-oom
-- requeue: an operator makes FAILED, DEAD or CANCELLED tasks ready again; at most 256 ids a call.
--   KEYS[1]  the partition's marker
--   ARGV     operation id, then ids
-- Returns  per id: requeued | already | completed | active | key_taken (another task holds its unique key now) |
--          forgotten (its payload was not kept) | not_found, and the state before the call
-- Changes  entry, hash (with a `requeued` line, from which attempts count anew), indexes, counters, the unique key,
--          one event. Dependents that have not been told of its end wait on; it waits for no parent itself.
-- May be repeated: a late copy finds the line with its operation id.
--# include lib_base lib_counters lib_ready lib_tasks_read lib_tasks lib_operator lib_requeue
for k = 2, #ARGV do say(requeue_task(ARGV[k], ARGV[1])) end
return finish_operation('requeued')
