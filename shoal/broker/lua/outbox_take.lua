#!lua flags=allow-oom
-- outbox_take: notices that are due, for the caller alone to deliver for a while; at most 256.
--   KEYS[1]  the partition's marker
--   ARGV     for how long (ms)
-- Returns  {now, how many notices stand here, notice...}
-- Changes  their next try; drops those of children that wait no more.
-- May be repeated: what was taken and not delivered is due again by itself.
--# include lib_base
local out, m, keep, drop = { NOW, 0 }, 2, {}, {}
local again = format('%d', NOW + ARGV[1])
for _, notice in ipairs(call('ZRANGE', P .. 'outbox', '-inf', NOW, 'BYSCORE', 'LIMIT', 0, 256)) do
  local parent, child = match(notice, '^watch %d+ (%S+) (%S+)$')
  if parent and call('SISMEMBER', P .. 'waiting:' .. child, parent) == 0 then
    drop[#drop + 1] = notice
  else
    m = m + 1; out[m] = notice
    keep[#keep + 1] = again; keep[#keep + 1] = notice
  end
end
if #drop > 0 then call('ZREM', P .. 'outbox', unpack(drop)) end
if #keep > 0 then call('ZADD', P .. 'outbox', 'XX', unpack(keep)) end
out[2] = call('ZCARD', P .. 'outbox')
return out
