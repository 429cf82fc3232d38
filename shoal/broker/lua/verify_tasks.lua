#!lua flags=no-writes
-- verify_tasks: where tasks stand, each read at one instant; at most 256 ids a call.
--   KEYS[1]  the partition's marker
--   ARGV     ids
-- Returns  per id: false (no hash) | 'wrong_type' | {entry, state, type, due, unique, fingerprint, 1 when its unique key
--          names it, id that its entry carries, consumer, score in `scheduled`, {the zsets of its state that name it...}, `ends`,
--          how many parents it waits for, score in `expiring`, what is wrong with what its handler reported, crashes};
--          what is not there is ''
-- Changes  nothing.
--# include lib_base
local INDEXED = { SCHEDULED = true, FAILED = true, CANCELLED = true, DEAD = true }
-- A key of a wrong type is a finding elsewhere; here it has nothing.
local function read(...)
  local reply = redis.pcall(...)
  return type(reply) == 'string' and reply
end
-- What `note` keeps is bounded: 100 lines and 16 KiB of log, one short progress report.
local function fault_of_notes(key)
  local h = redis.pcall('HMGET', key, 'progress', 'log', 'logged')
  if h.err or (not h[1] and not h[2] and not h[3]) then return '' end
  if h[1] and (h[1] == '' or #h[1] > 8192) then return 'its progress has ' .. #h[1] .. ' bytes' end
  if h[2] and not h[3] or h[3] and not h[2] then return 'its log or the number of its lines is missing' end
  if not h[2] then return '' end
  local _, lines = string.gsub(h[2], '\n', '\n')
  if lines > 100 or #h[2] > 16384 then return 'its log has ' .. lines .. ' lines and ' .. #h[2] .. ' bytes' end
  if sub(h[2], -1) ~= '\n' then return 'its log ends within a line' end
  return ''
end
local out = {}
for k = 1, #ARGV do
  local id = ARGV[k]
  local h = redis.pcall('HMGET', P .. 'task:' .. id, 'entry', 'state', 'type', 'due', 'unique', 'fingerprint', 'ends',
    'crashes')
  if h.err then
    out[k] = 'wrong_type'
  elseif not h[1] and not h[2] and not h[3] and call('EXISTS', P .. 'task:' .. id) == 0 then
    out[k] = false
  else
    local row = { h[1] or '', h[2] or '', h[3] or '', h[4] or '', h[5] or '', h[6] or '', 0, '', '', '', {}, h[7] or '', 0, '' }
    if h[5] and read('GET', P .. 'unique:' .. h[5]) == id then row[7] = 1 end
    local stream, entry = match(row[1], '^([^/]+)/(%d+%-%d+)$')
    if stream then
      local e = redis.pcall('XRANGE', P .. 'stream:' .. stream, entry, entry)
      if not e.err and e[1] then row[8] = e[1][2][2] end
      local p = redis.pcall('XPENDING', P .. 'stream:' .. stream, GROUP, entry, entry, 1)
      if not p.err and p[1] then row[9] = p[1][2] end
    end
    -- Whether another index or the schedule names it too is seen there.
    local state = row[2]
    if state == 'SCHEDULED' or state == 'FAILED' then row[10] = read('ZSCORE', P .. 'scheduled', id) or '' end
    if INDEXED[state] then
      for _, name in ipairs({ state, state .. ':' .. row[3] }) do
        if read('ZSCORE', P .. 'index:' .. name, id) then table.insert(row[11], 'index:' .. name) end
      end
      if row[6] ~= '' and read('ZSCORE', P .. 'fingerprint:' .. row[6], id) then
        table.insert(row[11], 'fingerprint:' .. row[6])
      end
    end
    row[15] = fault_of_notes(P .. 'task:' .. id)
    local waiting = redis.pcall('SCARD', P .. 'waiting:' .. id)
    if type(waiting) == 'number' then row[13] = waiting end
    row[14] = read('ZSCORE', P .. 'expiring', id) or ''
    row[16] = h[8] or ''
    out[k] = row
  end
end
return out
