-- lib_bulk: an operation over many tasks, in steps that are each done once.
-- The record holds how far it is and what it did, so anybody may go on with it, and a late copy of a step does nothing.
--   ARGV     operation id, part, step (the recorded one + 1; any other only reads), digest of what is asked,
--            words: the verb's own argument, type, fingerprint, queue, from ms, until ms ('' = any);
--            for the part `ids` then 'more' or '' (these are the last ones) and at most 256 ids;
--            for a state at most how many of it are looked at (<= 256; of COMPLETED tasks whole entries)
--   Returns  {'ok' | 'conflict' (the id stands for another operation), step, 1 when nothing is left, answer, number, repeated}
local operation, part, step, digest, argument = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local only_type, only_fingerprint, only_queue = ARGV[6], ARGV[7], ARGV[8]
local from_ms, until_ms = ARGV[9], ARGV[10]
local STEP, RECORD_S = part ~= 'ids' and tonumber(ARGV[11]) or 256, 86400

-- <digest> <step> <finished> <until ms> <cursor> <answer>=<number> ...
local record_key = P .. 'operation:' .. operation .. ':' .. part
local recorded = { digest = digest, step = 0, finished = 0, cursor = '', numbers = {} }
local raw = call('GET', record_key)
if raw then
  local words = {}
  for word in gmatch(raw, '%S+') do words[#words + 1] = word end
  recorded.digest, recorded.step, recorded.finished = words[1], tonumber(words[2]), tonumber(words[3])
  until_ms = words[4]
  recorded.cursor = sub(words[5], 2)
  for k = 6, #words do
    local answer, n = match(words[k], '^(.-)=(%d+)$')
    recorded.numbers[answer] = tonumber(n)
  end
elseif until_ms == '' or tonumber(until_ms) > NOW then
  -- What comes into the state later is not meant, or a bulk move could meet its own effects for ever.
  until_ms = NOW_TEXT
end

local is_due = recorded.digest == digest and step == recorded.step + 1 and recorded.finished == 0
local function count_answer(answer)
  recorded.numbers[answer] = (recorded.numbers[answer] or 0) + 1
end

local function answers(status)
  local names = {}
  for name in pairs(recorded.numbers) do names[#names + 1] = name end
  table.sort(names)
  local out = { status, recorded.step, recorded.finished }
  for _, name in ipairs(names) do
    out[#out + 1] = name; out[#out + 1] = recorded.numbers[name]
  end
  return out, names
end

-- Notes the step as done, after its effects; `cursor` is '' when nothing is left.
local function finish_step(cursor)
  recorded.step, recorded.cursor, recorded.finished = step, cursor, cursor == '' and 1 or 0
  local out, names = answers('ok')
  local words = { digest, step, recorded.finished, until_ms, '/' .. cursor }
  for _, name in ipairs(names) do words[#words + 1] = name .. '=' .. recorded.numbers[name] end
  call('SET', record_key, concat(words, ' '), 'EX', RECORD_S)
  return out
end

local function may_be_meant(stream, typ)
  return (only_queue == '' or match(stream, '^[^:]+') == only_queue) and (only_type == '' or typ == only_type)
end

-- Ids of an index by the time their state began, and the cursor behind them.
local function select_indexed(state)
  local key = P .. 'index:' .. state
  if only_fingerprint ~= '' then
    key = P .. 'fingerprint:' .. only_fingerprint
  elseif only_type ~= '' then
    key = P .. 'index:' .. state .. ':' .. only_type
  end
  local at, after = match(recorded.cursor, '^([^/]+)/(.+)$')
  local ids, looked, skip, cursor = {}, 0, 0, ''
  while looked < STEP do
    local rows = call('ZRANGE', key, at or (from_ms == '' and '-inf' or from_ms), until_ms, 'BYSCORE',
      'LIMIT', skip, STEP, 'WITHSCORES')
    for k = 1, #rows, 2 do
      local id, score = rows[k], rows[k + 1]
      if looked < STEP and not (score == at and id <= after) then
        looked = looked + 1
        cursor = score .. '/' .. id
        local h = call('HMGET', P .. 'task:' .. id, 'state', 'type', 'entry')
        if h[1] == state and may_be_meant(h[3], h[2]) then ids[#ids + 1] = id end
      end
    end
    if #rows < 2 * STEP then
      if looked < STEP then cursor = '' end
      break
    end
    skip = skip + STEP
  end
  return ids, cursor
end

-- Ids of the journal by whole entries, and the cursor behind them.
local function select_completed()
  local key = P .. 'done'
  if only_type ~= '' then key = P .. 'done:' .. only_type end
  local from = recorded.cursor ~= '' and '(' .. recorded.cursor or from_ms == '' and '-' or from_ms
  local ids, cursor = {}, ''
  -- At most 100 ids an entry.
  local entries = call('XRANGE', key, from, until_ms, 'COUNT', 2)
  for e = 1, #entries do
    local packed = entries[e][2][2]
    for first = 1, #packed, 36 do
      local id = sub(packed, first, first + 35)
      local h = call('HMGET', P .. 'task:' .. id, 'state', 'type', 'entry')
      if h[1] == 'COMPLETED' and may_be_meant(h[3], h[2]) then ids[#ids + 1] = id end
    end
  end
  if #entries == 2 then cursor = entries[2][1] end
  return ids, cursor
end
