#!lua flags=allow-oom
-- cancel: CANCELLED at once for what does not run; a request for what does; at most 256 ids a call.
--   KEYS[1]  the partition's marker
--   ARGV     reason, then ids
-- Returns  per id: cancelled | requested | terminal | not_found, and the state after the call
-- Changes  hash, index, counters, the entry of what waited, one event; a running task's holder is told on its channel.
-- May be repeated: a cancelled task answers terminal, a requested one requested.
--# include lib_base lib_counters lib_ready lib_tasks_read lib_tasks lib_operator
local reason = ARGV[1]

for k = 2, #ARGV do
  local id = ARGV[k]
  local key = P .. 'task:' .. id
  local h = call('HMGET', key, 'entry', 'state', 'type', 'unique')
  local typ, state = h[3], h[2]
  if not h[1] then
    say('not_found', '')
  elseif state == 'COMPLETED' or state == 'CANCELLED' or state == 'DEAD' then
    say('terminal', state)
  elseif state then
    call('ZREM', P .. 'scheduled', id)
    index_remove(state, typ, id)
    end_cancelled(id, typ, reason, h[4])
    move(typ, state, 'CANCELLED', 1)
    note_change(id, typ, 'CANCELLED', reason)
    say('cancelled', 'CANCELLED')
  else
    local stream, entry = match(h[1], '^([^/]+)/([^/]+)$')
    local stream_key = P .. 'stream:' .. stream
    local p = call('XPENDING', stream_key, GROUP, entry, entry, 1)[1]
    if p and p[2] ~= 'returned' then
      call('HSET', key, 'cancel', reason)
      call('SPUBLISH', P .. 'signal:' .. p[2], 'cancel ' .. id)
      say('requested', 'RUNNING')
    else
      end_cancelled(id, typ, reason, h[4])
      move(typ, 'PENDING', 'CANCELLED', 1)
      if p then
        bump(ready, stream .. ':returned', -1)
        call('XACK', stream_key, GROUP, entry)
      end
      -- `ready` counts entries: one that had been lost is not counted twice.
      bump(ready, stream, -call('XDEL', stream_key, entry))
      note_change(id, typ, 'CANCELLED', reason)
      say('cancelled', 'CANCELLED')
    end
  end
end
return finish_operation('cancelled')
