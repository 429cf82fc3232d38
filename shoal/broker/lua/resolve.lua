#!lua flags=allow-oom
-- resolve: parents have ended; what that means to children of this partition that wait for them; at most 256 a call.
--   KEYS[1]  the partition's marker
--   ARGV     parent, how it ended (COMPLETED | DEAD | CANCELLED | gone), child, repeated
-- Returns  how many children wait for nothing any more
-- Changes  what the children wait for; with the last one the child is ready (or scheduled, if its time has not come),
--          or CANCELLED with reason dependency_failed at the first that did not complete; indexes, counters, one event.
-- May be repeated, late too: a child is told of each parent once.
--# include lib_base lib_counters lib_ready lib_tasks_read lib_tasks lib_operator lib_dependents
local resolved, first_due = 0, nil

local function cancel(id, typ, unique, parent, how)
  call('HSET', P .. 'task:' .. id, 'error', dependency_error(parent, how))
  index_remove('SCHEDULED', typ, id)
  end_cancelled(id, typ, 'dependency_failed', unique)
  move(typ, 'SCHEDULED', 'CANCELLED', 1)
  note_change(id, typ, 'CANCELLED', 'dependency_failed')
end

local function let_go(id, typ, stream, due)
  if due and due > NOW then
    call('ZADD', P .. 'scheduled', format('%d', due), id)
    if not first_due or due < first_due then first_due = due end
    note_change(id, typ, 'SCHEDULED', 'dependencies_ended')
    return
  end
  local key = P .. 'task:' .. id
  call('HSET', key, 'entry', make_ready(id, typ, stream))
  call('HDEL', key, 'state', 'due')
  index_remove('SCHEDULED', typ, id)
  move(typ, 'SCHEDULED', 'PENDING', 1)
  note_change(id, typ, 'PENDING', 'dependencies_ended')
end

for k = 1, #ARGV, 3 do
  local parent, how, id = ARGV[k], ARGV[k + 1], ARGV[k + 2]
  local waiting = P .. 'waiting:' .. id
  if call('SREM', waiting, parent) == 1 then
    local h = call('HMGET', P .. 'task:' .. id, 'state', 'type', 'entry', 'due', 'unique', 'on_failure')
    if h[1] ~= 'SCHEDULED' then
      call('DEL', waiting)
    elseif how ~= 'COMPLETED' and h[6] ~= 'run' then
      cancel(id, h[2], h[5], parent, how)
      resolved = resolved + 1
    elseif call('EXISTS', waiting) == 0 then
      let_go(id, h[2], match(h[3], '^[^/]+'), tonumber(h[4] or nil))
      resolved = resolved + 1
    end
  end
end
finish_operation('resolved')
if first_due then wake_for_due(first_due) end
return resolved
