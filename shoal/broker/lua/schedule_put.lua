#!lua
-- schedule_put: make a schedule, or change what it is. No allow-oom: a full server takes no new ones.
--   KEYS[1]  {ns}:schedules
--   ARGV     id, record (JSON), its digest, next tick ms or '', most schedules, 'add' (refused when it stands) or 'declare'
-- Returns  new | changed | same | exists | too_many
-- Changes  the schedule's hash, and when it is looked at. A pause is kept. May be repeated.
local P = string.sub(KEYS[1], 1, -10)
local id, record, digest, next_ms, most, mode = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6]
local key = P .. 'schedule:' .. id
local h = redis.call('HMGET', key, 'digest', 'paused', 'next')
if h[1] == digest then return 'same' end
if h[1] and mode == 'add' then return 'exists' end
if not h[1] and redis.call('SCARD', P .. 'schedule_ids') >= most then return 'too_many' end
redis.call('SADD', P .. 'schedule_ids', id)
redis.call('HSET', key, 'record', record, 'digest', digest, 'next', next_ms)
if next_ms ~= '' and not h[2] then
  redis.call('ZADD', KEYS[1], next_ms, id)
else
  redis.call('ZREM', KEYS[1], id)
end
return h[1] and 'changed' or 'new'
