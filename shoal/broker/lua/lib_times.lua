-- lib_times: how long tasks waited and ran, as a worker counted it since its last report; P is the namespace's prefix.
local P = string.sub(KEYS[1], 1, -8)

-- Adds one report; a repeat, or one that comes after a later one, adds nothing.
--   worker  the key of the worker's hash;  me  the incarnation;  number  the report's, from 1 on
--   told    'w<bucket> <count> r<bucket> <count> ...', or '' = nothing
local function add_times(worker, me, number, told)
  if not told or told == '' then return end
  local who, last = string.match(redis.call('HGET', worker, 'told') or '', '^(.*) (%d+)$')
  if who == me and tonumber(last) >= tonumber(number) then return end
  local fields, by = {}, {}
  for field, count in string.gmatch(told, '(%S+) (%d+)') do
    fields[#fields + 1] = field; by[#by + 1] = tonumber(count)
  end
  local old, set = redis.call('HMGET', P .. 'times', unpack(fields)), {}
  for k = 1, #fields do
    set[2 * k - 1] = fields[k]; set[2 * k] = string.format('%d', tonumber(old[k] or 0) + by[k])
  end
  redis.call('HSET', P .. 'times', unpack(set))
  redis.call('HSET', worker, 'told', me .. ' ' .. number)
end
