-- lib_ready: how a task becomes ready (make_ready) and how a sleeping worker hears of it.
local woken = {}

local function queue_of(stream)
  return match(stream, '^([^:]+):')
end

-- Who is to be woken for a stream: its queue, or `<queue>:isolated`, which only isolation shards take.
local function sleepers_of(stream)
  return queue_of(stream) .. (match(stream, ':isolated$') or '')
end

-- Wakes at most n sleepers of a queue, each on its own channel; one that nobody hears is passed over.
-- Returns how many were too few.
local function wake(queue, n, hops)
  if n > 8 then n = 8 end
  local tries, pops = 8, 64
  local keys = { P .. 'sleepers:' .. queue, P .. 'sleepers:*' }
  if find(queue, ':isolated', 1, true) then keys = { P .. 'sleepers:*:isolated' } end
  for k = 1, #keys do
    while n > 0 and tries > 0 and pops > 0 do
      local popped = call('ZPOPMIN', keys[k])
      if not popped[1] then break end
      pops = pops - 1
      if tonumber(popped[2]) > NOW then
        tries = tries - 1
        if call('SPUBLISH', P .. 'signal:' .. popped[1], 'wake ' .. queue .. ' ' .. hops) > 0 then n = n - 1 end
      end
    end
  end
  return n
end

-- The group must exist before the first entry can be claimed; SADD tells the first use of a queue.
local known_queues = {}
local function ensure_queue(queue)
  if known_queues[queue] then return end
  known_queues[queue] = true
  if call('SADD', P .. 'queues', queue) == 1 then
    for priority = 0, 3 do
      local key = P .. 'stream:' .. queue .. ':' .. priority
      redis.pcall('XGROUP', 'CREATE', key, GROUP, '0', 'MKSTREAM')
      redis.pcall('XGROUP', 'CREATE', key .. ':isolated', GROUP, '0', 'MKSTREAM')
    end
  end
end

-- Adds the entry and notes the counters; the caller writes `entry` into the hash. Returns <stream>/<entry id>.
local function make_ready(id, typ, stream)
  local queue = queue_of(stream)
  ensure_queue(queue)
  local entry = call('XADD', P .. 'stream:' .. stream, '*', 'i', id, 'y', typ)
  bump(ready, stream, 1)
  bump(woken, sleepers_of(stream), 1)
  return stream .. '/' .. entry
end

-- Notes that n running entries of a stream went back to the consumer `returned`.
local function note_returned(stream, n)
  bump(ready, stream, n)
  bump(ready, stream .. ':returned', n)
  bump(woken, sleepers_of(stream), n)
end

-- Queues in which this call found HIGH or CRITICAL work where there was none before: queue -> priority.
local urgent = {}

-- Writes `ready` and notes the urgent work that was not there before.
local function flush_ready(known)
  local old = apply(P .. 'ready', ready, known, true)
  for stream, by in pairs(ready) do
    if by > 0 and (tonumber(old[stream] or nil) or 0) <= 0 then
      local queue, priority = match(stream, '^([^:]+):(%d)$')
      priority = tonumber(priority)
      if priority and priority >= 2 and priority > (urgent[queue] or 0) then urgent[queue] = priority end
    end
  end
end

-- Isolated work waits, and no isolation shard sleeps: every shard hears of it and has its supervisor start one.
local function call_for_isolation(queue)
  call('SPUBLISH', P .. 'urgent', 'isolated ' .. queue)
end

-- Writes `ready` and wakes sleepers; `taken` of the newly ready the caller takes itself. Call once, last.
-- Urgent work that sleepers were woken for is theirs; of all other every shard hears, since busy ones must come too.
local function finish_ready(known, taken)
  flush_ready(known)
  for queue, n in pairs(woken) do
    local apart = match(queue, '^(.*):isolated$')
    local left = apart and n or n - (taken or 0)
    local short = left > 0 and wake(queue, left, 0) > 0
    if short and apart then call_for_isolation(apart) end
    if urgent[queue] and short then call('SPUBLISH', P .. 'urgent', urgent[queue]) end
  end
end

-- A new due time: the first sleeper is woken when it would sleep past it, so that somebody promotes in time.
-- One past its own time is awake or dead, and promotes nothing.
local function wake_for_due(due)
  local function first_of(key)
    local first = call('ZRANGE', key, '(' .. NOW_TEXT, '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
    return tonumber(first[2] or nil)
  end
  local first = first_of(P .. 'sleepers:*')
  if first then
    if first > due then wake('*', 1, 0) end
    return
  end
  for _, queue in ipairs(call('SMEMBERS', P .. 'queues')) do
    first = first_of(P .. 'sleepers:' .. queue)
    if first then
      if first > due then wake(queue, 1, 0) end
      return
    end
  end
end
