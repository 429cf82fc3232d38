#!lua flags=allow-oom
-- bulk_requeue: one step of an operation that requeues FAILED, DEAD or CANCELLED tasks; at most 256.
--   KEYS[1]  the partition's marker
--   ARGV     see lib_bulk; the verb's own argument is not used
-- Returns  see lib_bulk; answers as of requeue
-- Changes  as requeue, and the operation's record.
-- May be repeated: a step is done once.
--# include lib_base lib_counters lib_ready lib_tasks_read lib_tasks lib_operator lib_requeue lib_bulk
if not is_due then return (answers(recorded.digest == digest and 'ok' or 'conflict')) end
local ids, cursor
if part == 'ids' then
  ids, cursor = { unpack(ARGV, 12) }, ARGV[11]
else
  ids, cursor = select_indexed(part)
end
for k = 1, #ids do count_answer((requeue_task(ids[k], operation))) end
finish_operation('requeued')
return finish_step(cursor)
