-- lib_release: what an incarnation had goes back to `returned`, before the backlog, its delivery count unchanged;
-- what was executing when it died of its own fault, or was interrupted too often to be trusted, goes apart.

-- So often handed back because its worker was killed or lost: in an hour, and at all.
local RECOVERIES_AN_HOUR, MOST_RECOVERIES = 3, 10

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

-- Recoveries of the last hour, by the history since the last requeue.
local function recent_recoveries(history)
  local n = 0
  for kind, at, why in gmatch(history or '', '([^\31\n]+)\31[^\31]*\31[^\31]*\31(%d+)\31%d*\31([^\31]*)\31[^\n]*\n') do
    if kind == 'requeued' then
      n = 0
    elseif kind == 'interrupted' and (why == 'killed' or why == 'lost') and tonumber(at) > NOW - 3600000 then
      n = n + 1
    end
  end
  return n
end

local function error_document(kind, message)
  return '{"type":"' .. kind .. '","message":"' .. message .. '"}'
end

-- Decides on one task. `blame` = {token -> true, cause, most crashes, alone}, nil = nobody is charged.
-- Returns the word for its history line, where it goes ('returned', 'isolated', 'DEAD'), why, and its error.
local function judge(token, stream, reason, crashes, recoveries, history, blame)
  if blame and blame.charged[token] then
    crashes = crashes + 1
    -- Where several were executing, none is quarantined: apart from each other, only one can be blamed again.
    if crashes >= blame.most and blame.alone then
      return 'crashed', 'DEAD', 'quarantined', error_document('Quarantined',
        'its code was executing when its shard died, ' .. crashes .. ' times; the last time: ' .. blame.cause),
        crashes, recoveries
    end
    return 'crashed', 'isolated', 'crashed', nil, crashes, recoveries
  end
  if reason == 'killed' or reason == 'lost' then
    recoveries = recoveries + 1
    if recoveries >= MOST_RECOVERIES then
      return reason, 'DEAD', 'lost_too_often', error_document('LostTooOften',
        'its worker was killed or lost ' .. recoveries .. ' times while it ran'), crashes, recoveries
    end
    if recoveries >= RECOVERIES_AN_HOUR and not is_isolated(stream)
      and recent_recoveries(history) + 1 >= RECOVERIES_AN_HOUR then
      return reason, 'isolated', reason, nil, crashes, recoveries
    end
    return reason, 'returned', reason, nil, crashes, recoveries
  end
  return blame and 'beside_crash' or reason, 'returned', blame and 'beside_crash' or reason, nil, crashes, recoveries
end

-- `pending` is a reply of XPENDING for this incarnation. Returns how many tasks it has no longer, and how many of them
-- went apart.
local function hand_back(stream, pending, me, reason, blame)
  local key = P .. 'stream:' .. stream
  local back, drop, gone, apart = {}, {}, 0, 0
  for k = 1, #pending do
    local entry, count = pending[k][1], pending[k][4]
    local e = call('XRANGE', key, entry, entry)[1]
    if not e then
      drop[#drop + 1] = entry
    else
      local id, typ = e[2][2], e[2][4]
      local task = P .. 'task:' .. id
      local h = call('HMGET', task, 'entry', 'state', 'history', 'crashes', 'recoveries', 'unique')
      if not h[1] then
        move(typ, 'RUNNING', nil, 1)
        drop[#drop + 1] = entry
      elseif h[1] ~= stream .. '/' .. entry or h[2] then
        drop[#drop + 1] = entry
      else
        local token = stream .. '/' .. entry .. '/' .. count
        local had_crashes, had_recoveries = tonumber(h[4] or 0), tonumber(h[5] or 0)
        local word, goes, why, error, crashes, recoveries =
          judge(token, stream, reason, had_crashes, had_recoveries, h[3], blame)
        local cause = word == 'crashed' and blame.cause or nil
        local history = append_history(h[3], history_line('interrupted', token, me, word, cause))
        local set = { 'history', history }
        if crashes > had_crashes then
          set[3] = 'crashes'; set[4] = crashes
          bump(stats, 'crashed:' .. typ, 1)
        elseif recoveries > had_recoveries then
          set[3] = 'recoveries'; set[4] = recoveries
        end
        if goes == 'isolated' then
          set[#set + 1] = 'entry'; set[#set + 1] = isolate(id, typ, stream)
        end
        call('HSET', task, unpack(set))
        if goes == 'DEAD' then
          end_dead(id, typ, why, history, error, h[6])
          bump(stats, 'settled/' .. stream, 1)
        end
        move(typ, 'RUNNING', goes == 'DEAD' and 'DEAD' or 'PENDING', 1)
        bump(stats, 'interrupted:' .. typ, 1)
        if goes == 'returned' then
          back[#back + 1] = entry
        else
          gone = gone + 1
          if goes == 'isolated' then apart = apart + 1 end
          drop[#drop + 1] = entry
        end
        interrupted[#interrupted + 1] = id .. ' ' .. typ .. ' ' .. goes .. ' ' .. why
      end
    end
  end
  if #back > 0 then
    local args = { key, GROUP, 'returned', 0 }
    for k = 1, #back do args[4 + k] = back[k] end
    args[#args + 1] = 'JUSTID'
    call('XCLAIM', unpack(args))
    note_returned(stream, #back)
    if is_isolated(stream) then apart = apart + #back end
  end
  drop_entries(stream, drop)
  return #back + gone, apart
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
    hint()
  end
  finish_ready()
  if #interrupted > 0 then call('SPUBLISH', P .. 'urgent', 'returned ' .. #interrupted) end
end
