#!lua flags=no-writes
-- api_key_read: all API keys, unless nothing has changed since the epoch that the caller knows.
--   KEYS[1]  {ns}:api_keys
--   ARGV     the known epoch or ''
-- Returns  {epoch} when it is the known one, else {epoch, then per key: record, last use ms or 0}
-- Changes  nothing.
local P = string.sub(KEYS[1], 1, -9)
local epoch = redis.call('GET', P .. 'api_keys_epoch') or 'none'
if ARGV[1] == epoch then return { epoch } end
local used = {}
local flat = redis.call('HGETALL', P .. 'api_keys_used')
for k = 1, #flat, 2 do used[flat[k]] = tonumber(flat[k + 1]) end
local out = { epoch }
local records = redis.call('HGETALL', KEYS[1])
for k = 1, #records, 2 do
  out[k + 1] = records[k + 1]
  out[k + 2] = used[records[k]] or 0
end
return out
