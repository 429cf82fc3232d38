#!lua flags=allow-oom
-- release: hand back all that an incarnation has; at most 256 a call, repeated until done.
--   KEYS[1]  the partition's marker
--   ARGV     incarnation, reason (killed | lost count as a recovery; crashed charges; drained | retired do neither);
--            with crashed also: cause, crashes that a task may cause, then what was executing in the whole shard, each as:
--            token ('' = it stands in another partition), type
-- Returns  {tasks it has no longer, 1 when nothing is left, how many of them only an isolation shard may take}
-- Changes  the incarnation is `dead`; its entries, their history lines, counters, one event; at last its consumers.
--          What was executing is charged and goes apart, or is DEAD (quarantined); its type is charged, in every partition.
-- May come late or twice: what another incarnation has is not under this name.
--# include lib_base lib_counters lib_ready lib_tasks_read lib_tasks lib_isolation lib_release
local me, reason = ARGV[1], ARGV[2]

local blame
if reason == 'crashed' then
  local most = tonumber(ARGV[4])
  if not most or #ARGV % 2 ~= 0 then return redis.error_reply('ERR release: crashed needs a cause, a limit and pairs') end
  blame = { charged = {}, cause = string.gsub(ARGV[3], '[^%w %._-]', '?'), most = most, alone = #ARGV == 6 }
  for k = 5, #ARGV, 2 do blame.charged[ARGV[k]] = true end
end

call('SET', P .. 'claimed:' .. me, 'dead', 'EX', 86400)
for k = 6, blame and #ARGV or 0, 2 do charge_type(ARGV[k], me) end
local left, released, apart, full = 256, 0, 0, false
local streams = all_streams()
for _, stream in ipairs(streams) do
  local pending = call('XPENDING', P .. 'stream:' .. stream, GROUP, '-', '+', left, me)
  local handed, isolated = hand_back(stream, pending, me, reason, blame)
  released = released + handed
  apart = apart + isolated
  left = left - #pending
  if left <= 0 then full = true; break end
end
if not full then forget(me, streams) end
finish_release(me)
return { released, full and 0 or 1, apart }
