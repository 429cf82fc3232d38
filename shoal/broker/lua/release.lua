#!lua flags=allow-oom
-- release: hand back all that an incarnation has; at most 256 a call, repeated until done.
--   KEYS[1]  the partition's marker
--   ARGV     incarnation, reason (killed | lost count as a recovery; drained | retired do not)
-- Returns  {released, 1 when nothing is left}
-- Changes  the incarnation is `dead`; its entries, their history lines, counters, one event; at last its consumers.
-- May come late or twice: what another incarnation has is not under this name.
--# include lib_base lib_counters lib_ready lib_tasks_read lib_tasks lib_release
local me, reason = ARGV[1], ARGV[2]
local counts_as_recovery = reason == 'killed' or reason == 'lost'

call('SET', P .. 'claimed:' .. me, 'dead', 'EX', 86400)
local left, released, full = 256, 0, false
local streams = all_streams()
for _, stream in ipairs(streams) do
  local pending = call('XPENDING', P .. 'stream:' .. stream, GROUP, '-', '+', left, me)
  released = released + hand_back(stream, pending, me, reason, counts_as_recovery)
  left = left - #pending
  if left <= 0 then full = true; break end
end
if not full then forget(me, streams) end
finish_release(me)
return { released, full and 0 or 1 }
