#!lua flags=allow-oom
-- bulk_delete: one step of an operation that deletes COMPLETED, CANCELLED or DEAD tasks; at most 256.
--   KEYS[1]  the partition's marker
--   ARGV     see lib_bulk; the verb's own argument is the tombstone in ms
-- Returns  see lib_bulk; answers as of delete
-- Changes  as delete, and the operation's record.
-- May be repeated: a step is done once.
--# include lib_base lib_counters lib_ready lib_tasks_read lib_tasks lib_operator lib_delete lib_bulk
if not is_due then return (answers(recorded.digest == digest and 'ok' or 'conflict')) end
local ids, cursor
if part == 'ids' then
  ids, cursor = { unpack(ARGV, 12) }, ARGV[11]
elseif part == 'COMPLETED' then
  ids, cursor = select_completed()
else
  ids, cursor = select_indexed(part)
end
for k = 1, #ids do count_answer((delete_task(ids[k], NOW - tonumber(argument)))) end
finish_operation('deleted')
return finish_step(cursor)
