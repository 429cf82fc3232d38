#!lua flags=no-writes
-- worker_events: what became of workers after an entry of `events`, oldest first.
--   KEYS[1]  {ns}:workers
--   ARGV     the entry, or '' = only where the stream ends; '(' in front when that entry itself is left out; most entries
-- Returns  {id of the last entry or '', id of the first or '', {entry id, {field, value, ...}}, ...}
-- Changes  nothing.
local P = string.sub(KEYS[1], 1, -8)
local key = P .. 'events'
local last = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
local first = redis.call('XRANGE', key, '-', '+', 'COUNT', 1)[1]
local out = { last and last[1] or '', first and first[1] or '' }
if ARGV[1] == '' then return out end
local entries = redis.call('XRANGE', key, ARGV[1], '+', 'COUNT', ARGV[2])
for k = 1, #entries do out[2 + k] = entries[k] end
return out
