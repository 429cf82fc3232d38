#!lua flags=allow-oom
-- api_key_put: store a new API key.
--   KEYS[1]  {ns}:api_keys
--   ARGV     id, record (JSON), most keys
-- Returns  new | same | exists | too_many
-- Changes  the key's record, and the epoch by which API processes see that there is news. May be repeated.
local P = string.sub(KEYS[1], 1, -9)
local id, record, most = ARGV[1], ARGV[2], tonumber(ARGV[3])
local held = redis.call('HGET', KEYS[1], id)
if held then return held == record and 'same' or 'exists' end
if redis.call('HLEN', KEYS[1]) >= most then return 'too_many' end
redis.call('HSET', KEYS[1], id, record)
local T = redis.call('TIME')
redis.call('SET', P .. 'api_keys_epoch', T[1] .. '.' .. T[2] .. '+' .. id)
return 'new'
