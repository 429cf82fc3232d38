#!lua flags=no-writes
-- audit_read: what operators did, newest first.
--   KEYS[1]  {ns}:audit
--   ARGV     only what stands before this entry ('+' = all), how many
-- Returns  {entry id, record, repeated}
-- Changes  nothing.
local out = {}
local last = ARGV[1]
if last ~= '+' then last = '(' .. last end
for _, entry in ipairs(redis.call('XREVRANGE', KEYS[1], last, '-', 'COUNT', ARGV[2])) do
  out[#out + 1] = entry[1]; out[#out + 1] = entry[2][2]
end
return out
