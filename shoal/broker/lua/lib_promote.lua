-- lib_promote: what is due becomes ready. At most 100 a call. Returns how many.
local function promote()
  local due = call('ZRANGE', P .. 'scheduled', '-inf', NOW, 'BYSCORE', 'LIMIT', 0, 100)
  local n = #due
  if n == 0 then return 0 end
  local promoted, told = 0, {}
  for k = 1, n do
    local id = due[k]
    local key = P .. 'task:' .. id
    local h = call('HMGET', key, 'type', 'entry', 'state')
    local typ, stream, state = h[1], h[2], h[3]
    if typ and (state == 'SCHEDULED' or state == 'FAILED') then
      stream = match(stream, '^[^/]+')
      call('HSET', key, 'entry', make_ready(id, typ, stream))
      call('HDEL', key, 'state', 'due')
      index_remove(state, typ, id)
      move(typ, state, 'PENDING', 1)
      promoted = promoted + 1
      told[promoted] = id .. ' ' .. typ .. ' PENDING ' .. state
    end
  end
  call('ZREM', P .. 'scheduled', unpack(due))
  if promoted > 0 then
    call('XADD', P .. 'events', 'MAXLEN', '~', 10000, '*', 'k', 'promoted', 'o', concat(told, '\n'))
    hint()
  end
  return promoted
end
