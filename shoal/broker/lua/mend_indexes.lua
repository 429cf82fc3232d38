#!lua flags=allow-oom
-- mend_indexes: members of a zset that it should not have leave it; at most 256.
--   KEYS[1]  the partition's marker
--   ARGV     the zset's name after the tag, ids
-- Returns  how many were mended
-- Changes  the zset; a member of `scheduled` that is only at a wrong time is put right.
-- May be repeated, and beside live workers: each member is judged anew.
--# include lib_base
local name, mended = ARGV[1], 0
local ENDED = { COMPLETED = true, CANCELLED = true, DEAD = true }

local function fits(id, h)
  local typ, state, due, fingerprint = h[1], h[2], h[3], h[4]
  if name == 'scheduled' then
    if state ~= 'SCHEDULED' and state ~= 'FAILED' then return false end
    if call('EXISTS', P .. 'waiting:' .. id) == 1 then return false end
    local score = call('ZSCORE', P .. name, id)
    if due and score and tonumber(score) ~= tonumber(due) then
      call('ZADD', P .. name, due, id)
      mended = mended + 1
    end
    return true
  end
  if name == 'expiring' then return ENDED[state] or false end
  local error_of = match(name, '^fingerprint:(.*)$')
  if error_of then return state == 'DEAD' and fingerprint == error_of end
  local rest = sub(name, 7)
  return state and (rest == state or rest == state .. ':' .. (typ or ''))
end

for k = 2, #ARGV do
  local id = ARGV[k]
  local h = redis.pcall('HMGET', P .. 'task:' .. id, 'type', 'state', 'due', 'fingerprint')
  if not h.err and not fits(id, h) then mended = mended + call('ZREM', P .. name, id) end
end
return mended
