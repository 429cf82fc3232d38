#!lua flags=allow-oom
-- settle: record how attempts ended; at most 256 and 4 MiB a call.
--   KEYS[1]  the partition's marker
--   ARGV     incarnation, COMPLETED tasks to keep (-1 = no bound), tombstone ms, then per outcome:
--            token, id, type, outcome (completed | failed | dead | cancelled | returned | deferred),
--            detail (+ms | reason[:fingerprint]), body (result or error), tail of the history line
-- Returns  {'ok', index, status, ...}: only what is not ok; already | gone | stale
-- Changes  hashes, journals, indexes, counters, one event; prunes a slice of `done`; the entries last.
-- May be repeated, late too: an outcome is applied only to a token that holds.
--# include lib_base lib_counters lib_ready lib_tasks_read lib_tasks lib_prune lib_isolation
local me, keep, tombstone = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local total = (#ARGV - 3) / 7

-- The whole call is looked at before anything is written: a script's effects are not rolled back.
local WORDS = { completed = true, failed = true, dead = true, cancelled = true, returned = true, deferred = true }
local function invalid(k, what)
  return redis.error_reply('ERR settle: the ' .. what .. ' of outcome ' .. k .. ' is not valid')
end

-- What of each stream is pending under this incarnation, in one read per stream.
local stream_of, entry_of, count_of, spans = {}, {}, {}, {}
local function before(a, b)
  if #a == #b then return a < b end
  return #a < #b
end
for k = 1, total do
  local base = 3 + (k - 1) * 7
  local stream, entry, count = split_token(ARGV[base + 1])
  if not stream then return invalid(k, 'token') end
  local word = ARGV[base + 4]
  if not WORDS[word] then return invalid(k, 'outcome') end
  if (word == 'failed' or word == 'deferred') and not match(ARGV[base + 5], '^%+?%d+$') then
    return invalid(k, 'detail')
  end
  stream_of[k] = stream; entry_of[k] = entry; count_of[k] = tonumber(count)
  local span = spans[stream]
  if not span then
    spans[stream] = { entry, entry, 1 }
  else
    if before(entry, span[1]) then span[1] = entry end
    if before(span[2], entry) then span[2] = entry end
    span[3] = span[3] + 1
  end
end
local own = {}
for stream, span in pairs(spans) do
  local held = {}
  local pending = redis.pcall('XPENDING', P .. 'stream:' .. stream, GROUP, span[1], span[2], span[3] * 2 + 16, me)
  if pending.err then
    if not is_lost(stream) then return pending end
    for k = 1, total do held[entry_of[k]] = false end
  end
  for k = 1, #pending do held[pending[k][1]] = pending[k][4] end
  own[stream] = held
end
-- A span may be cut short or wrongly ordered; then the one entry is asked for, so that no holder is refused.
local function holds(k)
  local held = own[stream_of[k]]
  local count = held[entry_of[k]]
  if count == nil then
    local p = call('XPENDING', P .. 'stream:' .. stream_of[k], GROUP, entry_of[k], entry_of[k], 1, me)[1]
    count = p and p[4] or false
    held[entry_of[k]] = count
  end
  return count == count_of[k]
end

-- After a failover to a clock behind, an entry id comes again with another task, whose entry must stay.
local function carries(stream, entry, id)
  local e = call('XRANGE', P .. 'stream:' .. stream, entry, entry)[1]
  return not e or e[2][2] == id
end

local answer, na = { 'ok' }, 1
local done, done_types, ndt = {}, {}, 0
local other, no = {}, 0
local drops, back = {}, {}
local ended_of, retry_zset, first_due = {}, {}, nil
local completed = 0

local function list_in(map, key)
  local list = map[key]
  if not list then list = {}; map[key] = list end
  return list
end
local function ended(stream, typ, state)
  local by = ended_of[typ]
  if not by then by = {}; ended_of[typ] = by end
  by[state] = (by[state] or 0) + 1
  bump(stats, 'settled/' .. stream, 1)
end

for k = 1, total do
  local base = 3 + (k - 1) * 7
  local token, id, typ, outcome = ARGV[base + 1], ARGV[base + 2], ARGV[base + 3], ARGV[base + 4]
  local detail, body, tail = ARGV[base + 5], ARGV[base + 6], ARGV[base + 7]
  local stream, entry = stream_of[k], entry_of[k]
  local key = P .. 'task:' .. id
  local h = call('HMGET', key, 'entry', 'state', 'history', 'cancel', 'unique', 'ends')
  local pending = holds(k)
  if h[1] == stream .. '/' .. entry and not h[2] and pending then
    local kind = (outcome == 'returned' or outcome == 'deferred') and 'interrupted' or 'run'
    local history = append_history(h[3], kind .. US .. token .. US .. me .. US .. tail .. '\n')
    own[stream][entry] = false
    if outcome == 'completed' then
      if body == '' then
        call('HSET', key, 'state', 'COMPLETED', 'history', history)
      else
        call('HSET', key, 'state', 'COMPLETED', 'history', history, 'result', body)
      end
      if h[4] then call('HDEL', key, 'cancel') end
      local list = done[typ]
      if not list then
        list = {}; done[typ] = list
        ndt = ndt + 1; done_types[ndt] = typ
      end
      list[#list + 1] = id
      completed = completed + 1
      free_unique(h[5], id)
      if h[6] then at_end(id, 'COMPLETED', h[6]) end
      bump(stats, 'settled/' .. stream, 1)
      local drop = list_in(drops, stream); drop[#drop + 1] = entry
    elseif outcome == 'returned' then
      call('HSET', key, 'history', history)
      local list = list_in(back, stream); list[#list + 1] = entry
      local by = list_in(ended_of, typ); by.PENDING = (by.PENDING or 0) + 1
      no = no + 1; other[no] = id .. ' ' .. typ .. ' returned ' .. detail
    else
      local state = outcome == 'failed' and 'FAILED' or outcome == 'dead' and 'DEAD'
        or outcome == 'deferred' and 'SCHEDULED' or 'CANCELLED'
      local reason = detail
      if h[4] and state ~= 'DEAD' then state = 'CANCELLED'; reason = h[4] end
      local drop = list_in(drops, stream); drop[#drop + 1] = entry
      if state == 'CANCELLED' then
        call('HSET', key, 'history', history)
        if body ~= '' then call('HSET', key, 'error', body) end
        end_cancelled(id, typ, reason, h[5])
      elseif state == 'DEAD' then
        local why, fingerprint = match(detail, '^([^:]*):?(.*)$')
        call('HSET', key, 'state', 'DEAD', 'ended', NOW_TEXT, 'reason', why, 'history', history, 'error', body)
        if h[4] then call('HDEL', key, 'cancel') end
        if fingerprint ~= '' then
          call('HSET', key, 'fingerprint', fingerprint)
          call('ZADD', P .. 'fingerprint:' .. fingerprint, NOW, id)
        end
        index_add('DEAD', typ, id)
        free_unique(h[5], id)
        if h[6] then at_end(id, 'DEAD', h[6]) end
        bump(stats, 'dead:' .. typ, 1)
      else
        local at = sub(detail, 1, 1) == '+' and NOW + tonumber(sub(detail, 2)) or tonumber(detail)
        if state == 'FAILED' then
          call('HSET', key, 'state', state, 'due', at, 'history', history, 'error', body)
          bump(stats, 'retried:' .. typ, 1)
        else
          call('HSET', key, 'state', state, 'due', at, 'history', history)
          call('HSETNX', key, 'no_handler_since', NOW)
          bump(stats, 'deferred:' .. typ, 1)
        end
        index_add(state, typ, id)
        retry_zset[#retry_zset + 1] = at; retry_zset[#retry_zset + 1] = id
        if not first_due or at < first_due then first_due = at end
      end
      ended(stream, typ, state)
      no = no + 1; other[no] = id .. ' ' .. typ .. ' ' .. state .. ' ' .. reason
    end
  elseif h[1] and h[3] and find(h[3], 'run' .. US .. token .. US, 1, true) then
    if pending and carries(stream, entry, id) then
      local drop = list_in(drops, stream); drop[#drop + 1] = entry
      own[stream][entry] = false
    end
    answer[na + 1] = k; answer[na + 2] = 'already'; na = na + 2
  elseif not h[1] then
    if pending and carries(stream, entry, id) then
      local drop = list_in(drops, stream); drop[#drop + 1] = entry
      own[stream][entry] = false
      move(typ, 'RUNNING', nil, 1)
    end
    answer[na + 1] = k; answer[na + 2] = 'gone'; na = na + 2
  else
    answer[na + 1] = k; answer[na + 2] = 'stale'; na = na + 2
  end
end

if #retry_zset > 0 then call('ZADD', P .. 'scheduled', unpack(retry_zset)) end
for typ, by in pairs(ended_of) do
  for state, n in pairs(by) do move(typ, 'RUNNING', state, n) end
end

-- The journal: ids grouped by type, so that `done` and `done:<type>` share their lists; at most 100 ids an entry.
-- The event only names the entries, which stand for longer than it does.
local journal = {}
local event = { 'XADD', P .. 'events', 'MAXLEN', '~', 10000, '*', 'k', 'settled', 'w', me }
if completed > 0 then
  local all, all_types, n = {}, {}, 0
  for t = 1, ndt do
    local typ = done_types[t]
    local list = done[typ]
    move(typ, 'RUNNING', 'COMPLETED', #list)
    bump(stats, 'completed:' .. typ, #list)
    for k = 1, #list do
      n = n + 1; all[n] = list[k]; all_types[n] = typ
    end
  end
  for from = 1, n, 100 do
    local to = math.min(from + 99, n)
    local types, nt = {}, 0
    for k = from, to do nt = nt + 1; types[nt] = all_types[k] end
    local at = call('XADD', P .. 'done', '*', 'i', concat(all, '', from, to), 'y', run_lengths(types, nt))
    journal[#journal + 1] = at
    local start = from
    for k = from, to do
      if k == to or all_types[k + 1] ~= all_types[k] then
        call('XADD', P .. 'done:' .. all_types[k], at, 'i', concat(all, '', start, k))
        start = k + 1
      end
    end
  end
  event[#event + 1] = 'j'; event[#event + 1] = concat(journal, ' ')
end
if no > 0 then
  event[#event + 1] = 'o'; event[#event + 1] = concat(other, '\n')
end
if #event > 10 then
  call(unpack(event))
  hint()
end

if completed > 0 and keep >= 0 then
  local excess = (tonumber(call('HGET', P .. 'counts', 'COMPLETED') or 0)) + completed - keep
  if excess > 0 then prune_done(math.min(2 * completed, 256), excess, NOW - tombstone) end
end

for stream, entries in pairs(back) do
  local args = { P .. 'stream:' .. stream, GROUP, 'returned', 0 }
  for k = 1, #entries do args[4 + k] = entries[k] end
  args[#args + 1] = 'JUSTID'
  call('XCLAIM', unpack(args))
  note_returned(stream, #entries)
end
apply(P .. 'counts', counts)
apply(P .. 'stats', stats)
for stream, entries in pairs(drops) do
  drop_entries(stream, entries)
  if completed > 0 and is_isolated(stream) then
    for t = 1, ndt do absolve_type(done_types[t]) end
  end
end
finish_ready()
if first_due then wake_for_due(first_due) end
return answer
