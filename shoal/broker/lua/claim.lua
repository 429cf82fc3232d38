#!lua flags=allow-oom
-- claim: take ready tasks, highest priority first; promotes what is due on the way.
--   KEYS[1]  the partition's marker
--   ARGV     incarnation, call number, want (<= 256), sleep ms, lease ms, flags ('i' ignores the counters,
--            'x' an isolation shard, 'w' by weights: none starves), then the queues (none = all)
-- Returns  {'ok', now, depth of LOW, NORMAL, HIGH, CRITICAL, oldest ms, wake ms, then per task: token, id, type, spec, history}
--          | 'old' | 'dead'
-- Changes  the pending lists (the RUNNING state), counters, the call's record, the sleepers, one event. Nothing per task.
-- May be repeated: the recorded call number answers again with those of its tokens that still hold.
--# include lib_base lib_counters lib_ready lib_tasks_read lib_tasks lib_touch lib_promote lib_weighted lib_isolation
local me, number, want, sleep, lease, flags =
  ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local ignore_counters = find(flags, 'i', 1, true) ~= nil
local suffix = find(flags, 'x', 1, true) and ':isolated' or ''
local SLICE, BYTES = 32, 4 * 1024 * 1024

touch(lease)
local record = call('GET', P .. 'claimed:' .. me)
if record == 'dead' then return 'dead' end
beat(me)
local recorded = record and tonumber(match(record, '^%d+'))
if recorded and number < recorded then return 'old' end

local out, m = { 'ok', NOW, 0, 0, 0, 0, 0, 0 }, 8
local got, read = 0, 0
local tokens, ids, types, streams = {}, {}, {}, {}
local oldest

local function emit(token, id, typ, stream, spec, history)
  out[m + 1] = token; out[m + 2] = id; out[m + 3] = typ; out[m + 4] = spec; out[m + 5] = history
  m = m + 5
  got = got + 1
  tokens[got] = token; ids[got] = id; types[got] = typ; streams[got] = stream
end

local all_queues = #ARGV < 7
local my_queues = {}
for k = 7, #ARGV do my_queues[ARGV[k]] = true end
local paused = {}
for _, name in ipairs(call('SMEMBERS', P .. 'paused')) do paused[name] = true end
local function may_take(queue, priority)
  return (all_queues or my_queues[queue]) and not paused['*'] and not paused[queue]
    and not paused[queue .. ':' .. priority]
end

local known = {}

local function replay()
  for token in gmatch(sub(record, #tostring(recorded) + 2), '%S+') do
    local stream, entry, count = split_token(token)
    local pending = call('XPENDING', P .. 'stream:' .. stream, GROUP, entry, entry, 1, me)[1]
    if pending and pending[4] == tonumber(count) then
      local e = call('XRANGE', P .. 'stream:' .. stream, entry, entry)[1]
      if e then
        local id, typ = e[2][2], e[2][4]
        local h = call('HMGET', P .. 'task:' .. id, 'entry', 'state', 'spec', 'history')
        if h[1] == stream .. '/' .. entry and not h[2] then emit(token, id, typ, stream, h[3], h[4]) end
      end
    end
  end
  read = got
end

local bytes = 0
local claimed_of, cancelled_of, gone_of = {}, {}, {}
-- Types whose tasks are moved apart (nil = none are), and what was moved: that is read, and asked for again.
local apart, moved, nm = nil, {}, 0

-- Entries just taken under this incarnation; counted[entry] is the delivery count (1 when absent).
local function take(stream, entries, counted)
  local drop, nd = {}, 0
  for k = 1, #entries do
    local entry, e = entries[k][1], entries[k][2]
    local id, typ = e[2], e[4]
    local key = P .. 'task:' .. id
    local h = call('HMGET', key, 'entry', 'state', 'cancel', 'spec', 'history', 'unique')
    local stands = h[1] == stream .. '/' .. entry and not h[2]
    if not h[1] then
      gone_of[typ] = (gone_of[typ] or 0) + 1
      nd = nd + 1; drop[nd] = entry
    elseif not stands then
      nd = nd + 1; drop[nd] = entry
    elseif h[3] then
      end_cancelled(id, typ, h[3], h[6])
      cancelled_of[typ] = (cancelled_of[typ] or 0) + 1
      nd = nd + 1; drop[nd] = entry
    elseif apart and apart[typ] then
      local line = history_line('interrupted', stream .. '/' .. entry .. '/' .. (counted and counted[entry] or 1), me,
        'type_isolated')
      call('HSET', key, 'entry', isolate(id, typ, stream), 'history', append_history(h[5], line))
      nm = nm + 1; moved[nm] = id .. ' ' .. typ .. ' isolated type_isolated'
      if nm <= 256 then read = read - 1 end
      nd = nd + 1; drop[nd] = entry
    else
      local spec = h[4]
      bytes = bytes + #spec
      emit(stream .. '/' .. entry .. '/' .. (counted and counted[entry] or 1), id, typ, stream, spec, h[5])
      claimed_of[typ] = (claimed_of[typ] or 0) + 1
    end
  end
  drop_entries(stream, drop)
end

-- Reads one stream until `want` is met, it is empty, or the call is heavy enough.
local function read_stream(stream)
  local key = P .. 'stream:' .. stream
  local have = tonumber(known[stream]) or 0
  local returned = tonumber(known[stream .. ':returned']) or 0
  local seen_returned = returned
  if returned > 0 or ignore_counters then
    while read < want and bytes < BYTES do
      local ask = math.min(want - read, SLICE)
      local pending = call('XPENDING', key, GROUP, '-', '+', ask, 'returned')
      local np = #pending
      if np > 0 then
        local entries, counted = {}, {}
        for k = 1, np do
          entries[k] = pending[k][1]; counted[pending[k][1]] = pending[k][4] + 1
        end
        local args = { key, GROUP, me, 0 }
        for k = 1, np do args[4 + k] = entries[k] end
        take(stream, call('XCLAIM', unpack(args)), counted)
        read = read + np
        seen_returned = seen_returned - np
        have = have - np
      end
      if np < ask then
        -- The list has the truth: less than asked means that nothing is left in it.
        have = have - seen_returned
        seen_returned = 0
        break
      end
    end
  end
  local drained = false
  while read < want and bytes < BYTES do
    local ask = math.min(want - read, SLICE)
    local reply = call('XREADGROUP', 'GROUP', GROUP, me, 'COUNT', ask, 'STREAMS', key, '>')
    local entries = reply and reply[1][2] or {}
    local ne = #entries
    if ne > 0 then
      take(stream, entries)
      read = read + ne
      have = have - ne
      local last = tonumber(match(entries[ne][1], '^%d+'))
      if ne == ask and (not oldest or last < oldest) then oldest = last end
    end
    if ne < ask then drained = true; break end
  end
  if drained then
    have = seen_returned
  elseif have < 0 or seen_returned < 0 then
    -- More was read than was counted: an increment was lost. Count what the stream and its group say.
    local summary = call('XPENDING', key, GROUP)
    seen_returned = 0
    for _, consumer in ipairs(summary[4] or {}) do
      if consumer[1] == 'returned' then seen_returned = tonumber(consumer[2]) end
    end
    have = call('XLEN', key) - summary[1] + seen_returned
  end
  bump(ready, stream, have - (tonumber(known[stream]) or 0))
  bump(ready, stream .. ':returned', seen_returned - returned)
end

local promoted = 0
if recorded == number then
  replay()
else
  promoted = promote()
  -- What was promoted counts as known, so that it is read at once.
  if promoted > 0 then
    flush_ready()
    for stream in pairs(ready) do ready[stream] = nil end
  end
end
local flat = call('HGETALL', P .. 'ready')
-- What this worker may take now: {stream, queue, priority}.
local mine = {}
for k = 1, #flat, 2 do
  local field = flat[k]
  known[field] = flat[k + 1]
  local queue, priority, rest = match(field, '^([^:]+):(%d)(.*)$')
  if rest == suffix and may_take(queue, priority) then mine[#mine + 1] = { field, queue, tonumber(priority) } end
end

if recorded ~= number and want > 0 then
  if known.isolated_types and suffix == '' then apart = isolated_types_now() end
  local visit = { [0] = {}, {}, {}, {} }
  for k = 1, #mine do
    local list = visit[mine[k][3]]
    list[#list + 1] = mine[k][1]
  end
  if ignore_counters then
    local more = {}
    local queues = call('SMEMBERS', P .. 'queues')
    table.sort(queues)
    for priority = 3, 0, -1 do
      for _, queue in ipairs(queues) do
        local stream = queue .. ':' .. priority .. suffix
        if not known[stream] and may_take(queue, priority) then more[#more + 1] = stream end
      end
    end
    for k = 1, math.min(#more, 16) do
      local stream = more[(number * 16 + k) % #more + 1]
      local list = visit[tonumber(match(stream, ':(%d)'))]
      list[#list + 1] = stream
    end
  end
  -- A claim that ignores the counters does not know what to divide, and most often finds little.
  local quota, asked
  if not ignore_counters and find(flags, 'w', 1, true) then
    local have = { [0] = 0, 0, 0, 0 }
    for k = 1, #mine do
      local n = tonumber(known[mine[k][1]])
      if n > 0 then have[mine[k][3]] = have[mine[k][3]] + n end
    end
    quota, asked = divide_by_weight(have, want, number), want
  end
  for priority = 3, 0, -1 do
    local list = visit[priority]
    local nl = #list
    if nl > 1 then table.sort(list) end
    if quota then want = read + quota[priority] end
    for k = 1, nl do
      if read >= want or bytes >= BYTES then break end
      read_stream(list[(number + k) % nl + 1])
    end
  end
  want = asked or want
  for typ, n in pairs(claimed_of) do move(typ, 'PENDING', 'RUNNING', n) end
  for typ, n in pairs(gone_of) do move(typ, 'PENDING', nil, n) end
  for typ, n in pairs(cancelled_of) do move(typ, 'PENDING', 'CANCELLED', n) end
end

apply(P .. 'counts', counts)
apply(P .. 'stats', stats)
if nm > 0 then
  call('XADD', P .. 'events', 'MAXLEN', '~', 10000, '*', 'k', 'isolated', 'w', me, 'o', concat(moved, '\n'))
  hint()
end
if recorded ~= number then
  call('SET', P .. 'claimed:' .. me, ARGV[2] .. '\n' .. concat(tokens, ' '), 'EX', '86400')
  if got > 0 then
    call('XADD', P .. 'events', 'MAXLEN', '~', 10000, '*', 'k', 'started', 'w', me, 'i', concat(ids),
      'y', run_lengths(types, got), 's', run_lengths(streams, got))
    hint()
  end
end

local sleepers = {}
if suffix ~= '' then
  sleepers[1] = P .. 'sleepers:*:isolated'
elseif all_queues then
  sleepers[1] = P .. 'sleepers:*'
else
  for k = 7, #ARGV do sleepers[k - 6] = P .. 'sleepers:' .. ARGV[k] end
end
for k = 1, #sleepers do call('ZREM', sleepers[k], me) end
if sleep > 0 and (want == 0 or read < want) then
  local wake_at = NOW + sleep
  local due = call('ZRANGE', P .. 'scheduled', 0, 0, 'WITHSCORES')
  local due_at = tonumber(due[2] or nil)
  if due_at and due_at < wake_at then
    local other
    for k = 1, #sleepers do
      local first = call('ZRANGE', sleepers[k], 0, 0, 'WITHSCORES')
      local at = tonumber(first[2] or nil)
      if at and at > NOW and at <= due_at then other = true end
    end
    if not other then wake_at = math.max(due_at, NOW + 1) end
  end
  for k = 1, #sleepers do call('ZADD', sleepers[k], wake_at, me) end
  out[8] = wake_at
end

finish_ready(known, got)
local left_in
for k = 1, #mine do
  local field, at = mine[k][1], 3 + mine[k][3]
  local depth = tonumber(known[field]) + (ready[field] or 0)
  if depth > 0 then
    out[at] = out[at] + depth
    left_in = mine[k][2]
  end
end
-- A worker that was woken took all it could and left some: it wakes others, and so do they.
if left_in and sleep > 0 and want > 0 and read >= want then wake(left_in .. suffix, 2, 0) end
out[7] = oldest or 0
return out
