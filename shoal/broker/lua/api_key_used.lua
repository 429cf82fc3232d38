#!lua flags=allow-oom
-- api_key_used: note that API keys were used just now.
--   KEYS[1]  {ns}:api_keys
--   ARGV     their ids
-- Returns  how many of them there are
-- Changes  when they were last used; of keys that were revoked meanwhile nothing. May be repeated.
local P = string.sub(KEYS[1], 1, -9)
local T = redis.call('TIME')
local now = string.format('%d', T[1] * 1000 + math.floor(T[2] / 1000))
local known = 0
for k = 1, #ARGV do
  if redis.call('HEXISTS', KEYS[1], ARGV[k]) == 1 then
    known = known + 1
    redis.call('HSET', P .. 'api_keys_used', ARGV[k], now)
  end
end
return known
