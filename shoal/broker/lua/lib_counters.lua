-- lib_counters: deltas gather in tables during the call; each hash is read once and written once, in absolute values.
local ready, counts, stats = {}, {}, {}

-- Writes old + delta. `known` (field -> value or false) saves the read of what the caller has read.
-- Returns the old values by field. Fields of `ready` end at 0 by being deleted.
local function apply(key, deltas, known, drop_zero)
  local fields, n = {}, 0
  for field, by in pairs(deltas) do
    if by ~= 0 then n = n + 1; fields[n] = field end
  end
  if n == 0 then return {} end
  local old = known
  if not old then
    local values = call('HMGET', key, unpack(fields))
    old = {}
    for k = 1, n do old[fields[k]] = values[k] end
  end
  local set, m, gone, g = {}, 0, {}, 0
  for k = 1, n do
    local field = fields[k]
    local value = (tonumber(old[field]) or 0) + deltas[field]
    if drop_zero and value <= 0 then
      g = g + 1; gone[g] = field
    else
      set[m + 1] = field; set[m + 2] = format('%d', value); m = m + 2
    end
  end
  if m > 0 then call('HSET', key, unpack(set)) end
  if g > 0 then call('HDEL', key, unpack(gone)) end
  return old
end

-- n tasks of one type change state; nil stands for outside.
local function move(typ, from, to, n)
  if from then
    bump(counts, from .. ':' .. typ, -n); bump(counts, from, -n)
  end
  if to then
    bump(counts, to .. ':' .. typ, n); bump(counts, to, n)
  end
end
