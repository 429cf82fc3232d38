#!lua flags=no-writes
-- worker_read: all that is known of one worker, also when it has left.
--   KEYS[1]  {ns}:workers
--   ARGV     name
-- Returns  {} | {record (JSON), last beat ms, desired state or '', why it left or '', when it left in ms or ''}
-- Changes  nothing.
local P = string.sub(KEYS[1], 1, -8)
local h = redis.call('HMGET', P .. 'worker:' .. ARGV[1], 'record', 'beat', 'desired', 'left', 'left_at')
if not h[1] then return {} end
return { h[1], h[2] or '', h[3] or '', h[4] or '', h[5] or '' }
