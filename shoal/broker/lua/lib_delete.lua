-- lib_delete: one ended task is forgotten before its time.

-- When it ended. For COMPLETED the last line of the history says it: start and duration.
local function ended_at(ended, history)
  if ended then return tonumber(ended) end
  local line = match('\n' .. (history or ''), '.*\n([^\n]*)\n$') or ''
  local start, took = match(line, '^[^\31]*\31[^\31]*\31[^\31]*\31(%d+)\31(%d+)\31')
  return start and tonumber(start) + tonumber(took) / 1000 or 0
end

-- What ended after `youngest` stays, so that a late copy of it is still known for what it is. The journal keeps
-- the id of a COMPLETED task until it is pruned: readers skip ids without a hash.
-- Returns the answer (deleted | recent | active | not_found) and the state before it.
local function delete_task(id, youngest)
  local key = P .. 'task:' .. id
  local h = call('HMGET', key, 'type', 'state', 'ended', 'history', 'fingerprint')
  local typ, state = h[1], h[2]
  if not typ then return 'not_found', '' end
  if state ~= 'COMPLETED' and state ~= 'CANCELLED' and state ~= 'DEAD' then return 'active', state or 'PENDING' end
  if ended_at(h[3], h[4]) > youngest then return 'recent', state end
  if state == 'COMPLETED' then bump(stats, 'deleted', 1) else index_remove(state, typ, id) end
  if h[5] then call('ZREM', P .. 'fingerprint:' .. h[5], id) end
  call('ZREM', P .. 'expiring', id)
  call('UNLINK', key)
  move(typ, state, nil, 1)
  note_change(id, typ, 'deleted', state)
  return 'deleted', state
end
