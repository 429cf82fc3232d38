#!lua flags=no-writes
-- operation_read: one operation, or the newest.
--   KEYS[1]  {ns}:operations
--   ARGV     id or '', how many, only in this state ('' = any)
-- Returns  {now ms, id, record, state, started ms, last beat ms or '', 1 when it is to stop, progress or '', error or '',
--          ended ms or '', repeated}
-- Changes  nothing.
local P = string.sub(KEYS[1], 1, -11)
local T = redis.call('TIME')
local out = { T[1] * 1000 + math.floor(T[2] / 1000) }
local ids = { ARGV[1] }
if ARGV[1] == '' then ids = redis.call('ZRANGE', KEYS[1], 0, ARGV[2] - 1, 'REV') end
for _, id in ipairs(ids) do
  local h = redis.call('HMGET', P .. 'operation:' .. id, 'record', 'state', 'started', 'beat', 'stop', 'progress', 'error', 'ended')
  if h[1] and (ARGV[3] == '' or h[2] == ARGV[3]) then
    local n = #out
    out[n + 1] = id
    for k = 1, 8 do out[n + 1 + k] = h[k] or '' end
    out[n + 6] = h[5] and 1 or 0
  end
end
return out
