#!lua flags=allow-oom
-- api_key_revoke: forget an API key.
--   KEYS[1]  {ns}:api_keys
--   ARGV     id
-- Returns  1 when there was one, else 0
-- Changes  its record and last use, and the epoch by which API processes see that there is news. May be repeated.
local P = string.sub(KEYS[1], 1, -9)
local id = ARGV[1]
if redis.call('HDEL', KEYS[1], id) == 0 then return 0 end
redis.call('HDEL', P .. 'api_keys_used', id)
local T = redis.call('TIME')
redis.call('SET', P .. 'api_keys_epoch', T[1] .. '.' .. T[2] .. '-' .. id)
return 1
