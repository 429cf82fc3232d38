-- lib_base: the key prefix, the guard and the clock of every script.
-- KEYS[1] is the partition's marker; all other keys are built from its prefix, inside the same hash tag.
local call, unpack, tonumber = redis.call, unpack, tonumber
local sub, find, match, gmatch, concat = string.sub, string.find, string.match, string.gmatch, table.concat
local P = sub(KEYS[1], 1, -10)
local GROUP = 'shoal'
local US = '\31'

-- Both forms of the pause are read, since a classic slot move carries one key at a time.
local function guard()
  local m = call('MGET', KEYS[1], P .. 'partition_paused')
  if not m[1] then return 'no_partition' end
  if m[2] or sub(m[1], 1, 6) == 'paused' then return 'paused' end
  return nil
end

local T = call('TIME')
local NOW = T[1] * 1000 + math.floor(T[2] / 1000)
-- Redis 7.0 prints each number it is given by %.17g, which costs more than the text of an integer.
local format = string.format
local NOW_TEXT = format('%d', NOW)

local function bump(deltas, field, by)
  deltas[field] = (deltas[field] or 0) + by
end

-- 'a*3 b a*2': run lengths of a list, order kept.
local function run_lengths(list, n)
  local out, m, last, count = {}, 0, nil, 0
  for k = 1, n do
    local v = list[k]
    if v == last then
      count = count + 1
    else
      if last then m = m + 1; out[m] = count == 1 and last or last .. '*' .. count end
      last, count = v, 1
    end
  end
  if last then m = m + 1; out[m] = count == 1 and last or last .. '*' .. count end
  return concat(out, ' ')
end

-- Whoever shows what happens hears that `events` has more; what nobody heard is found by looking.
local function hint() call('SPUBLISH', P .. 'news', '') end

-- A marker that is gone answers before anything is read; so does a paused partition.
local refused = guard()
if refused then return refused end
