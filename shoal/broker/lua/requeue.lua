#!lua flags=allow-oom
-- requeue: an operator makes FAILED, DEAD or CANCELLED tasks ready again; at most 256 ids a call.
--   KEYS[1]  the partition's marker
--   ARGV     operation id, then ids
-- Returns  per id: requeued | already | completed | active | not_found, and the state before the call
-- Changes  entry, hash (with a `requeued` line, from which attempts count anew), indexes, counters, the unique key
--          where it is free, one event.
-- May be repeated: a late copy finds the line with its operation id.
--# include lib_base lib_counters lib_ready lib_tasks_read lib_tasks lib_operator
local operation = ARGV[1]

for k = 2, #ARGV do
  local id = ARGV[k]
  local key = P .. 'task:' .. id
  local h = call('HMGET', key, 'entry', 'state', 'type', 'history', 'fingerprint', 'unique')
  local state, typ = h[2], h[3]
  if not h[1] then
    say('not_found', '')
  elseif h[4] and find(h[4], 'requeued' .. US .. operation .. US, 1, true) then
    say('already', state or 'PENDING')
  elseif state == 'COMPLETED' then
    say('completed', state)
  elseif not state or state == 'SCHEDULED' then
    say('active', state or 'PENDING')
  else
    local entry = make_ready(id, typ, match(h[1], '^[^/]+'))
    call('HSET', key, 'entry', entry, 'history', append_history(h[4], history_line('requeued', operation, '', '')))
    call('HDEL', key, 'state', 'due', 'ended', 'reason', 'cancel', 'fingerprint', 'no_handler_since')
    index_remove(state, typ, id)
    if state == 'FAILED' then call('ZREM', P .. 'scheduled', id) end
    if h[5] then call('ZREM', P .. 'index:DEAD:by:' .. h[5], id) end
    -- It has not ended any more; whoever has its unique key by now keeps it.
    if h[6] then call('SET', P .. 'unique:' .. h[6], id, 'NX') end
    move(typ, state, 'PENDING', 1)
    bump(stats, 'requeued:' .. typ, 1)
    note_change(id, typ, 'PENDING', operation)
    say('requeued', state)
  end
end
return finish_operation('requeued')
