#!lua flags=no-writes
-- list_tasks: one partition's part of a page of tasks in one state, newest first.
--   KEYS[1]  the partition's marker
--   ARGV     state, type or '', bound (ms: nothing newer; '' = from the newest), place ('' = all of the bound's
--            millisecond), limit (<= 1201)
-- Returns  the place where the search stopped ('' = at the end), then id, ms, place, repeated. It stops at the limit,
--          or where it has looked at about 2,000 tasks: a search for few among many goes on from that place.
--          A place names its task whatever becomes of the others: in a zset the id, in a journal <entry>/<number>, in
--          the streams <entry>/<stream>; what follows a place is the same as long as it stands still.
-- Changes  nothing. What the journals and streams hold of tasks that are gone or stand elsewhere is left out.
--# include lib_base
local state, typ, bound, place, limit = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local LOOK = 2000
local out, m, looked, stopped = { '' }, 1, 0, ''
local function emit(id, at, its_place)
  out[m + 1] = id; out[m + 2] = at; out[m + 3] = its_place
  m = m + 3
end
local function enough(its_place)
  looked = looked + 1
  if m > 3 * limit or looked >= LOOK then stopped = its_place end
  return stopped ~= ''
end
local function ms_of(entry) return tonumber(match(entry, '^%d+')) end

-- The journal: entries from the newest, the ids of an entry from its last.
local function from_journal(key)
  local to, left = bound == '' and '+' or bound, nil
  if place ~= '' then
    to, left = match(place, '^([%d-]+)/(%d+)$')
    left = tonumber(left) - 1
  end
  local first = to
  repeat
    local entries = call('XREVRANGE', key, to, '-', 'COUNT', 16)
    for e = 1, #entries do
      local entry, ids = entries[e][1], entries[e][2][2]
      local n = #ids / 36
      if left and entry == first then n = math.min(n, left) end
      for k = n, 1, -1 do
        local id = sub(ids, 36 * k - 35, 36 * k)
        local its_place = entry .. '/' .. k
        if call('HGET', P .. 'task:' .. id, 'state') == 'COMPLETED' then emit(id, ms_of(entry), its_place) end
        if enough(its_place) then return end
      end
      to = '(' .. entry
    end
  until #entries < 16
end

-- The zsets: members of one score stand in the order of their ids, the greatest first here.
local function from_index(key)
  local rank = 0
  if bound ~= '' then
    rank = call('ZCOUNT', key, '(' .. bound, '+inf')
    if place ~= '' then
      local high = rank + call('ZCOUNT', key, bound, bound)
      while rank < high do
        local middle = math.floor((rank + high) / 2)
        if call('ZRANGE', key, middle, middle, 'REV')[1] < place then high = middle else rank = middle + 1 end
      end
    end
  end
  local rows = call('ZRANGE', key, rank, rank + limit - 1, 'REV', 'WITHSCORES')
  for k = 1, #rows, 2 do emit(rows[k], tonumber(rows[k + 1]), rows[k]) end
  if #rows == 2 * limit then stopped = rows[2 * limit - 1] end
end

-- The streams of all queues, merged: by entry, and for equal entries by the stream's name.
local function ahead(a, b)
  if a.ms ~= b.ms then return a.ms > b.ms end
  if a.seq ~= b.seq then return a.seq > b.seq end
  return a.stream < b.stream
end

-- Moves on to the next entry of a stream; false at its end.
local function advance(head)
  head.at = head.at + 1
  if head.at > #head.entries then
    if head.last then return false end
    local key = P .. 'stream:' .. head.stream
    head.entries = call('XREVRANGE', key, head.to, '-', 'COUNT', head.count)
    local n = #head.entries
    if n == 0 then return false end
    head.last, head.at = n < head.count, 1
    head.count = math.min(4 * head.count, 256)
    local newest, oldest = head.entries[1][1], head.entries[n][1]
    head.to = '(' .. oldest
    head.held = {}
    if head.pending > 0 then
      local held = call('XPENDING', key, GROUP, oldest, newest, n)
      for k = 1, #held do head.held[held[k][1]] = held[k][2] end
    end
  end
  local ms, seq = match(head.entries[head.at][1], '^(%d+)-(%d+)$')
  head.ms, head.seq = tonumber(ms), tonumber(seq)
  return true
end

local function insert(heads, head)
  local low, high = 1, #heads + 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    if ahead(heads[middle], head) then low = middle + 1 else high = middle end
  end
  table.insert(heads, low, head)
end

local function from_streams()
  local place_entry, place_stream = match(place, '^([%d-]+)/(.+)$')
  local heads = {}
  local queues = call('SMEMBERS', P .. 'queues')
  local count = #queues > 16 and 2 or 16
  for _, queue in ipairs(queues) do
    for priority = 3, 0, -1 do
      for _, suffix in ipairs({ '', ':isolated' }) do
        local stream = queue .. ':' .. priority .. suffix
        local summary = call('XPENDING', P .. 'stream:' .. stream, GROUP)
        local head = { stream = stream, pending = summary[1], entries = {}, at = 0, count = count }
        head.to = bound == '' and '+' or bound
        if place_entry then head.to = (stream > place_stream and '' or '(') .. place_entry end
        local runs = state ~= 'RUNNING'
        if not runs and head.pending > 0 then
          -- Whatever is newer than the newest of the pending list waits.
          local newest = summary[3]
          if head.to == '+' or ms_of(newest) < tonumber(match(head.to, '%d+')) then head.to = newest end
          runs = true
        end
        if runs and advance(head) then insert(heads, head) end
      end
    end
  end
  while heads[1] do
    local head = table.remove(heads, 1)
    local entry, fields = head.entries[head.at][1], head.entries[head.at][2]
    local holder = head.held[entry]
    local running = holder ~= nil and holder ~= 'returned'
    local its_place = entry .. '/' .. head.stream
    if running == (state == 'RUNNING') and (typ == '' or fields[4] == typ) then
      local h = call('HMGET', P .. 'task:' .. fields[2], 'entry', 'state')
      if h[1] == head.stream .. '/' .. entry and not h[2] then emit(fields[2], head.ms, its_place) end
    end
    if enough(its_place) then return end
    if advance(head) then insert(heads, head) end
  end
end

-- A type that has none in this state need not be sought.
local none = typ ~= '' and (call('HGET', P .. 'counts', state .. ':' .. typ) or '0') == '0'
if state == 'COMPLETED' then
  from_journal(P .. (typ == '' and 'done' or 'done:' .. typ))
elseif state ~= 'PENDING' and state ~= 'RUNNING' then
  from_index(P .. 'index:' .. state .. (typ ~= '' and ':' .. typ or ''))
elseif not none then
  from_streams()
end
out[1] = stopped
return out
