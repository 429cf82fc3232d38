#!lua flags=allow-oom
-- mend_tasks: tasks get the places that fit their state; at most 256.
--   KEYS[1]  the partition's marker
--   ARGV     ids
-- Returns  how many were looked at and can be mended: not those without a type or with a state that does not exist
-- Changes  entries of ready tasks, indexes, the schedule, unique keys, notes of handlers. `counts` is recounted elsewhere.
-- May be repeated, and beside live workers: each task is judged anew.
--# include lib_base lib_counters lib_ready lib_tasks_read lib_tasks lib_isolation
local INDEXED = { SCHEDULED = true, FAILED = true, CANCELLED = true, DEAD = true }
local ENDED = { COMPLETED = true, CANCELLED = true, DEAD = true }

local function mend_notes(key, progress, log, logged)
  if progress and (progress == '' or #progress > 8192) then call('HDEL', key, 'progress') end
  local _, lines = string.gsub(log or '', '\n', '\n')
  if (log and not logged) or (logged and not log) or lines > 100 or #(log or '') > 16384
    or (log and sub(log, -1) ~= '\n') then
    call('HDEL', key, 'log', 'logged')
  end
end

-- Whether the task waits for others, which only a SCHEDULED one may, and one that is not due by itself.
local function mend_waiting(id, state)
  if call('EXISTS', P .. 'waiting:' .. id) == 0 then return false end
  if state == 'SCHEDULED' then
    call('ZREM', P .. 'scheduled', id)
    return true
  end
  stop_waiting(id)
  return false
end

-- A ready task has its entry, and stands apart if it was charged and does not run.
local function mend_entry(id, key, typ, place, crashes)
  local stream, entry = match(place, '^([^/]+)/(%d+%-%d+)$')
  stream = stream or match(place, '^[^/]+')
  local e = entry and call('XRANGE', P .. 'stream:' .. stream, entry, entry)[1]
  if not e or e[2][2] ~= id then
    if entry and not e then redis.pcall('XACK', P .. 'stream:' .. stream, GROUP, entry) end
    if crashes and not is_isolated(stream) then stream = stream .. ':isolated' end
    call('HSET', key, 'entry', make_ready(id, typ, stream))
    return
  end
  local p = redis.pcall('XPENDING', P .. 'stream:' .. stream, GROUP, entry, entry, 1)
  if p.err or not crashes or is_isolated(stream) or (p[1] and p[1][2] ~= 'returned') then return end
  call('HSET', key, 'entry', isolate(id, typ, stream))
  drop_entries(stream, { entry })
end

local function mend_indexes(id, key, state, h, waits)
  local at = h.ended or NOW_TEXT
  call('ZADD', P .. 'index:' .. state, 'NX', at, id)
  call('ZADD', P .. 'index:' .. state .. ':' .. h.type, 'NX', at, id)
  if state == 'DEAD' and h.fingerprint then call('ZADD', P .. 'fingerprint:' .. h.fingerprint, 'NX', at, id) end
  if (state == 'SCHEDULED' or state == 'FAILED') and not waits then
    local due = tonumber(h.due or nil) and h.due or NOW_TEXT
    call('HSET', key, 'due', due)
    call('ZADD', P .. 'scheduled', due, id)
  end
end

local function mend_unique(id, unique)
  local holder = call('GET', P .. 'unique:' .. unique)
  if holder == id then return end
  local other = holder and call('HMGET', P .. 'task:' .. holder, 'unique', 'state')
  if not other or other[1] ~= unique or ENDED[other[2]] then call('SET', P .. 'unique:' .. unique, id) end
end

local mended = 0
for k = 1, #ARGV do
  local id = ARGV[k]
  local key = P .. 'task:' .. id
  local flat = redis.pcall('HGETALL', key)
  local h = {}
  if not flat.err then
    for f = 1, #flat, 2 do h[flat[f]] = flat[f + 1] end
  end
  local state = h.state
  if h.type and h.entry and (not state or INDEXED[state] or state == 'COMPLETED') then
    mended = mended + 1
    mend_notes(key, h.progress, h.log, h.logged)
    local waits = mend_waiting(id, state)
    if not state then mend_entry(id, key, h.type, h.entry, h.crashes) end
    if INDEXED[state] then mend_indexes(id, key, state, h, waits) end
    if ENDED[state] then
      local keep = match(h.ends or '', '[rf](%d+)')
      if keep then call('ZADD', P .. 'expiring', 'NX', (tonumber(h.ended or nil) or NOW) + keep, id) end
    elseif h.unique then
      mend_unique(id, h.unique)
    end
  end
end
apply(P .. 'stats', stats)
finish_ready()
return mended
