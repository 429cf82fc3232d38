#!lua flags=no-writes
-- series_read: points of one resolution after a moment, oldest first.
--   KEYS[1]  {ns}:series
--   ARGV     name of the resolution, after which entry, most points
-- Returns  {now ms, last entry or '', {entry, {field, value, ...}}, ...}
-- Changes  nothing.
local key = string.sub(KEYS[1], 1, -7) .. 'series:' .. ARGV[1]
local T = redis.call('TIME')
local last = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
local out = { T[1] * 1000 + math.floor(T[2] / 1000), last and last[1] or '' }
for _, entry in ipairs(redis.call('XRANGE', key, '(' .. ARGV[2], '+', 'COUNT', ARGV[3])) do out[#out + 1] = entry end
return out
