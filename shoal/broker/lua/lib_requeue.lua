-- lib_requeue: an operator's second chance for one task.

-- Returns the answer (requeued | already | completed | active | not_found) and the state before it.
local function requeue_task(id, operation)
  local key = P .. 'task:' .. id
  local h = call('HMGET', key, 'entry', 'state', 'type', 'history', 'fingerprint', 'unique')
  local state, typ = h[2], h[3]
  if not h[1] then return 'not_found', '' end
  if h[4] and find(h[4], 'requeued' .. US .. operation .. US, 1, true) then return 'already', state or 'PENDING' end
  if state == 'COMPLETED' then return 'completed', state end
  if not state or state == 'SCHEDULED' then return 'active', state or 'PENDING' end
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
  return 'requeued', state
end
