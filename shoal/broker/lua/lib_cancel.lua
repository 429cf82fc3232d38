-- lib_cancel: how one task is cancelled, whatever it does now.

-- What waits in a stream, handed back or not: CANCELLED, and its entry leaves.
local function cancel_waiting(id, typ, stream, entry, is_returned, reason, unique)
  end_cancelled(id, typ, reason, unique)
  move(typ, 'PENDING', 'CANCELLED', 1)
  if is_returned then
    bump(ready, stream .. ':returned', -1)
    call('XACK', P .. 'stream:' .. stream, GROUP, entry)
  end
  -- `ready` counts entries: one that had been lost is not counted twice.
  bump(ready, stream, -call('XDEL', P .. 'stream:' .. stream, entry))
  note_change(id, typ, 'CANCELLED', reason)
end

-- A request to whoever runs it; it is carried out when the run ends or the task comes back.
local function request_cancel(id, holder, reason)
  call('HSET', P .. 'task:' .. id, 'cancel', reason)
  call('SPUBLISH', P .. 'signal:' .. holder, 'cancel ' .. id)
end

-- Returns the answer (cancelled | requested | terminal | not_found) and the state after it.
local function cancel_task(id, reason)
  local h = call('HMGET', P .. 'task:' .. id, 'entry', 'state', 'type', 'unique')
  local typ, state = h[3], h[2]
  if not h[1] then return 'not_found', '' end
  if state == 'COMPLETED' or state == 'CANCELLED' or state == 'DEAD' then return 'terminal', state end
  if state then
    call('ZREM', P .. 'scheduled', id)
    index_remove(state, typ, id)
    end_cancelled(id, typ, reason, h[4])
    move(typ, state, 'CANCELLED', 1)
    note_change(id, typ, 'CANCELLED', reason)
    return 'cancelled', 'CANCELLED'
  end
  local stream, entry = match(h[1], '^([^/]+)/([^/]+)$')
  local p = call('XPENDING', P .. 'stream:' .. stream, GROUP, entry, entry, 1)[1]
  if p and p[2] ~= 'returned' then
    request_cancel(id, p[2], reason)
    return 'requested', 'RUNNING'
  end
  cancel_waiting(id, typ, stream, entry, p ~= nil, reason, h[4])
  return 'cancelled', 'CANCELLED'
end
