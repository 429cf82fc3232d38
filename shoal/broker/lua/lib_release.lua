-- lib_release: what an incarnation had goes back to `returned`, before the backlog, its delivery count unchanged.

local function all_streams()
  local out = {}
  local queues = call('SMEMBERS', P .. 'queues')
  table.sort(queues)
  for _, queue in ipairs(queues) do
    for priority = 3, 0, -1 do
      out[#out + 1] = queue .. ':' .. priority
      out[#out + 1] = queue .. ':' .. priority .. ':isolated'
    end
  end
  return out
end

local interrupted = {}

-- `pending` is a reply of XPENDING for this incarnation. Returns how many tasks went back.
local function hand_back(stream, pending, me, reason, counts_as_recovery)
  local key = P .. 'stream:' .. stream
  local back, drop = {}, {}
  for k = 1, #pending do
    local entry, count = pending[k][1], pending[k][4]
    local e = call('XRANGE', key, entry, entry)[1]
    if not e then
      drop[#drop + 1] = entry
    else
      local id, typ = e[2][2], e[2][4]
      local task = P .. 'task:' .. id
      local h = call('HMGET', task, 'entry', 'state', 'history')
      if not h[1] then
        move(typ, 'RUNNING', nil, 1)
        drop[#drop + 1] = entry
      elseif h[1] ~= stream .. '/' .. entry or h[2] then
        drop[#drop + 1] = entry
      else
        local line = history_line('interrupted', stream .. '/' .. entry .. '/' .. count, me, reason)
        call('HSET', task, 'history', append_history(h[3], line))
        if counts_as_recovery then call('HINCRBY', task, 'recoveries', 1) end
        move(typ, 'RUNNING', 'PENDING', 1)
        bump(stats, 'interrupted:' .. typ, 1)
        back[#back + 1] = entry
        interrupted[#interrupted + 1] = id .. ' ' .. typ .. ' returned ' .. reason
      end
    end
  end
  if #back > 0 then
    local args = { key, GROUP, 'returned', 0 }
    for k = 1, #back do args[4 + k] = back[k] end
    args[#args + 1] = 'JUSTID'
    call('XCLAIM', unpack(args))
    note_returned(stream, #back)
  end
  drop_entries(stream, drop)
  return #back
end

-- Out of the consumers, the beats and the sleepers. Only when nothing is pending: DELCONSUMER drops what is.
local function forget(me, streams)
  for _, stream in ipairs(streams) do
    redis.pcall('XGROUP', 'DELCONSUMER', P .. 'stream:' .. stream, GROUP, me)
  end
  call('ZREM', P .. 'beats', me)
  call('ZREM', P .. 'sleepers:*', me)
  call('ZREM', P .. 'sleepers:*:isolated', me)
  for _, queue in ipairs(call('SMEMBERS', P .. 'queues')) do call('ZREM', P .. 'sleepers:' .. queue, me) end
end

-- Also says how many went back, on the channel that every shard hears: under a backlog a shard seldom
-- comes to a partition that is not its own, and what a dead one ran has waited already.
local function finish_release(me)
  apply(P .. 'counts', counts)
  apply(P .. 'stats', stats)
  if #interrupted > 0 then
    call('XADD', P .. 'events', 'MAXLEN', '~', 10000, '*', 'k', 'interrupted', 'w', me, 'o', concat(interrupted, '\n'))
  end
  finish_ready()
  if #interrupted > 0 then call('SPUBLISH', P .. 'urgent', 'returned ' .. #interrupted) end
end
