#!lua flags=allow-oom
-- cancel: CANCELLED at once for what does not run; a request for what does; at most 256 ids a call.
--   KEYS[1]  the partition's marker
--   ARGV     reason, then ids
-- Returns  per id: cancelled | requested | terminal | not_found, and the state after the call
-- Changes  hash, index, counters, the entry of what waited, one event; a running task's holder is told on its channel.
-- May be repeated: a cancelled task answers terminal, a requested one requested.
--# include lib_base lib_counters lib_ready lib_tasks_read lib_tasks lib_operator lib_cancel
for k = 2, #ARGV do say(cancel_task(ARGV[k], ARGV[1])) end
return finish_operation('cancelled')
