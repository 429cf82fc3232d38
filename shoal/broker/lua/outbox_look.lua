#!lua flags=no-writes
-- outbox_look: how much waits to be delivered, and for how long.
--   KEYS[1]  the partition's marker
-- Returns  {notices, ms since the oldest of those next to be tried was written}
-- Changes  nothing.
--# include lib_base
local oldest = NOW
for _, notice in ipairs(call('ZRANGE', P .. 'outbox', 0, 255)) do
  oldest = math.min(oldest, tonumber(match(notice, ' (%d+) ')) or NOW)
end
return { call('ZCARD', P .. 'outbox'), NOW - oldest }
