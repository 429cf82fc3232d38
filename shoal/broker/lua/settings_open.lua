#!lua flags=allow-oom
-- settings_open: the cluster's settings, written at the first start and read at every later one.
--   KEYS[1]  {ns}:settings
--   ARGV     partitions, schema version
-- Returns  {serve, submit, key_partitions, epoch, schema, oldest schema that may write}
-- Changes  what is not there yet. May be repeated.
local meta = string.sub(KEYS[1], 1, -9) .. 'meta'
redis.call('HSETNX', meta, 'schema', ARGV[2])
redis.call('HSETNX', meta, 'oldest_writer', ARGV[2])
for _, field in ipairs({ 'serve', 'submit', 'key_partitions' }) do redis.call('HSETNX', KEYS[1], field, ARGV[1]) end
redis.call('HSETNX', KEYS[1], 'epoch', '1')
local s = redis.call('HMGET', KEYS[1], 'serve', 'submit', 'key_partitions', 'epoch')
local m = redis.call('HMGET', meta, 'schema', 'oldest_writer')
return { s[1], s[2], s[3], s[4], m[1], m[2] }
