#!lua flags=no-writes
-- schedule_read: schedules that are due, or all, and when the next one is.
--   KEYS[1]  {ns}:schedules
--   ARGV     'due' | 'all' | an id
-- Returns  {now ms, when the first tick is due in ms or -1, then per schedule: id, record, next ms or '', 1 when paused,
--          last tick ms or '', its task or '', ticks}
-- Changes  nothing.
local P = string.sub(KEYS[1], 1, -10)
local T = redis.call('TIME')
local now = T[1] * 1000 + math.floor(T[2] / 1000)
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
local out = { now, tonumber(first or -1) }
local ids
if ARGV[1] == 'due' then
  ids = redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'LIMIT', 0, 32)
elseif ARGV[1] == 'all' then
  ids = redis.call('SMEMBERS', P .. 'schedule_ids')
  table.sort(ids)
else
  ids = { ARGV[1] }
end
for _, id in ipairs(ids) do
  local h = redis.call('HMGET', P .. 'schedule:' .. id, 'record', 'next', 'paused', 'last', 'last_task', 'ticks')
  if h[1] then
    local n = #out
    out[n + 1] = id; out[n + 2] = h[1]; out[n + 3] = h[2] or ''; out[n + 4] = h[3] and 1 or 0
    out[n + 5] = h[4] or ''; out[n + 6] = h[5] or ''; out[n + 7] = tonumber(h[6] or 0)
  end
end
return out
