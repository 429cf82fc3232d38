#!lua flags=allow-oom
-- operation_open: make an operation over many tasks known, or go on with one that was stopped.
--   KEYS[1]  {ns}:operations
--   ARGV     id, record (JSON), digest of what is asked, lifetime s, most operations
-- Returns  'new' | 'known' | 'conflict' (the id stands for another operation)
-- Changes  the operation's record and its place among all; a stop and its end are taken back. May be repeated.
local P = string.sub(KEYS[1], 1, -11)
local id, record, digest, lifetime, most = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local key = P .. 'operation:' .. id
local h = redis.call('HMGET', key, 'digest', 'state')
if h[1] and h[1] ~= digest then return 'conflict' end
if h[1] then
  if h[2] ~= 'finished' then
    redis.call('HSET', key, 'state', 'running')
    redis.call('HDEL', key, 'stop', 'error')
    redis.call('EXPIRE', key, lifetime)
  end
  return 'known'
end
local T = redis.call('TIME')
local now = T[1] * 1000 + math.floor(T[2] / 1000)
redis.call('HSET', key, 'record', record, 'digest', digest, 'state', 'running', 'started', string.format('%d', now))
redis.call('EXPIRE', key, lifetime)
redis.call('ZADD', KEYS[1], now, id)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - 7 * lifetime * 1000)
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -most - 1)
return 'new'
