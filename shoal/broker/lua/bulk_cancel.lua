#!lua flags=allow-oom
-- bulk_cancel: one step of an operation that cancels PENDING, SCHEDULED, FAILED or RUNNING tasks; at most 256.
--   KEYS[1]  the partition's marker
--   ARGV     see lib_bulk; the verb's own argument is the reason
-- Returns  see lib_bulk; answers as of cancel
-- Changes  as cancel, and the operation's record.
-- May be repeated: a step is done once.
--# include lib_base lib_counters lib_ready lib_tasks_read lib_tasks lib_operator lib_cancel lib_waiting lib_bulk lib_bulk_streams
if not is_due then return (answers(recorded.digest == digest and 'ok' or 'conflict')) end
local ids, cursor
if part == 'ids' then
  ids, cursor = { unpack(ARGV, 12) }, ARGV[11]
elseif part == 'PENDING' or part == 'RUNNING' then
  ids, cursor = select_standing(part == 'RUNNING')
else
  ids, cursor = select_indexed(part)
end
for k = 1, #ids do count_answer((cancel_task(ids[k], argument))) end
finish_operation('cancelled')
return finish_step(cursor)
