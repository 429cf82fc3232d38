#!lua flags=allow-oom
-- delete: forget ended tasks before their retention has passed; at most 256 ids a call.
--   KEYS[1]  the partition's marker
--   ARGV     tombstone ms (what ended less than this ago stays), then ids
-- Returns  per id: deleted | recent | active | not_found, and the state before the call
-- Changes  hashes, indexes, counters, one event.
-- May be repeated: a deleted task answers not_found.
--# include lib_base lib_counters lib_ready lib_tasks_read lib_tasks lib_operator lib_delete
for k = 2, #ARGV do say(delete_task(ARGV[k], NOW - tonumber(ARGV[1]))) end
return finish_operation('deleted')
