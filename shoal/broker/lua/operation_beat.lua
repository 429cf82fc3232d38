#!lua flags=allow-oom
-- operation_beat: who carries an operation out says that it does, and how far it is.
--   KEYS[1]  {ns}:operations
--   ARGV     id, runner, after what silence another may go on (ms), progress (JSON) or '', lifetime s
-- Returns  'go' | 'stop' (an operator wishes it) | 'taken' (another carries it out) | 'gone' | 'ended'
-- Changes  the runner, its stamp and the progress. May be repeated.
local P = string.sub(KEYS[1], 1, -11)
local key = P .. 'operation:' .. ARGV[1]
local h = redis.call('HMGET', key, 'state', 'runner', 'beat', 'stop')
if not h[1] then return 'gone' end
if h[1] ~= 'running' then return 'ended' end
local T = redis.call('TIME')
local now = T[1] * 1000 + math.floor(T[2] / 1000)
if h[2] and h[2] ~= ARGV[2] and now - tonumber(h[3] or 0) < tonumber(ARGV[3]) then return 'taken' end
redis.call('HSET', key, 'runner', ARGV[2], 'beat', string.format('%d', now))
if ARGV[4] ~= '' then redis.call('HSET', key, 'progress', ARGV[4]) end
redis.call('EXPIRE', key, ARGV[5])
return h[4] and 'stop' or 'go'
