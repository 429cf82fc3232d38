-- lib_isolation: tasks and types that may kill what runs them stand apart, in streams that only an isolation shard reads.
-- `isolated_types`: type -> until; `ready` says under the same name how many there are, so that a claim looks only then.
-- `charges`: the deaths that types were charged with during the last minute.
local CHARGES_A_MINUTE, TYPE_ISOLATED_MS = 3, 600000

local function is_isolated(stream)
  return sub(stream, -9) == ':isolated'
end

-- A new entry at the end of the isolated stream; the caller writes `entry` into the hash and drops the old one.
local function isolate(id, typ, stream)
  bump(stats, 'isolated:' .. typ, 1)
  return make_ready(id, typ, match(stream, '^[^:]+:%d') .. ':isolated')
end

-- How many deaths of the last minute this type was charged with.
local function recent_charges(typ)
  local n = 0
  for _, charge in ipairs(call('ZRANGE', P .. 'charges', NOW - 60000, '+inf', 'BYSCORE')) do
    if match(charge, '^%S+') == typ then n = n + 1 end
  end
  return n
end

-- A type was executing when an incarnation died; with enough of these in a minute it is isolated whole.
local function charge_type(typ, incarnation)
  local key = P .. 'charges'
  call('ZREMRANGEBYSCORE', key, '-inf', NOW - 60000)
  call('ZADD', key, 'NX', NOW_TEXT, typ .. ' ' .. incarnation)
  call('PEXPIRE', key, 60000)
  if recent_charges(typ) >= CHARGES_A_MINUTE then
    bump(ready, 'isolated_types', call('HSET', P .. 'isolated_types', typ, NOW + TYPE_ISOLATED_MS))
  end
end

-- One of its tasks succeeded: the type is as others are, unless it has been charged too often just now.
local function absolve_type(typ)
  if call('HEXISTS', P .. 'isolated_types', typ) == 1 and recent_charges(typ) < CHARGES_A_MINUTE then
    bump(ready, 'isolated_types', -call('HDEL', P .. 'isolated_types', typ))
  end
end

-- The types that are isolated now, as a set; those whose time is over are forgotten.
local function isolated_types_now()
  local set = {}
  local flat = call('HGETALL', P .. 'isolated_types')
  for k = 1, #flat, 2 do
    if tonumber(flat[k + 1]) > NOW then
      set[flat[k]] = true
    else
      bump(ready, 'isolated_types', -call('HDEL', P .. 'isolated_types', flat[k]))
    end
  end
  return set
end
