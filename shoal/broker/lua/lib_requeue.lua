-- lib_requeue: an operator's second chance for one task.

local function is_taken(unique, id)
  local holder = unique and call('GET', P .. 'unique:' .. unique)
  return holder and holder ~= id and call('EXISTS', P .. 'task:' .. holder) == 1
end

-- Returns the answer (requeued | already | completed | active | key_taken | forgotten | not_found) and the state before it.
local function requeue_task(id, operation)
  local key = P .. 'task:' .. id
  local h = call('HMGET', key, 'entry', 'state', 'type', 'history', 'fingerprint', 'unique', 'ends', 'ended',
    'spec')
  local state, typ = h[2], h[3]
  if not h[1] then return 'not_found', '' end
  if h[4] and find(h[4], 'requeued' .. US .. operation .. US, 1, true) then return 'already', state or 'PENDING' end
  if state == 'COMPLETED' then return 'completed', state end
  if not state or state == 'SCHEDULED' then return 'active', state or 'PENDING' end
  if not h[9] then return 'forgotten', state end
  if is_taken(h[6], id) then return 'key_taken', state end
  local entry = make_ready(id, typ, match(h[1], '^[^/]+'))
  call('HSET', key, 'entry', entry, 'history', append_history(h[4], history_line('requeued', operation, '', '')))
  call('HDEL', key, 'state', 'due', 'ended', 'reason', 'cancel', 'fingerprint', 'no_handler_since', 'crashes',
    'recoveries')
  index_remove(state, typ, id)
  if state == 'FAILED' then call('ZREM', P .. 'scheduled', id) end
  if h[5] then call('ZREM', P .. 'fingerprint:' .. h[5], id) end
  if h[6] then call('SET', P .. 'unique:' .. h[6], id) end
  -- Also when its dependents have been told and `ends` is gone: what is known of its end is true no more.
  call('DEL', P .. 'ended:' .. id)
  if h[7] then
    -- It has not ended any more, and dependents that have not been told wait on.
    call('ZREM', P .. 'expiring', id)
    if h[8] then call('ZREM', P .. 'outbox', 'finished ' .. state .. ' ' .. h[8] .. ' ' .. id) end
  end
  move(typ, state, 'PENDING', 1)
  bump(stats, 'requeued:' .. typ, 1)
  note_change(id, typ, 'PENDING', operation)
  return 'requeued', state
end
