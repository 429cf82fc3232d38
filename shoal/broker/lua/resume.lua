#!lua flags=allow-oom
-- resume: allow claims again, wake sleepers for what waited, and tell every shard of urgent work.
--   KEYS[1]  the partition's marker
--   ARGV     target (<queue> | <queue>:<priority> | *)
-- Returns  1 when it was paused before
-- Changes  `paused`, the sleepers. May be repeated.
--# include lib_base lib_counters lib_ready
local removed = call('SREM', P .. 'paused', ARGV[1])
local flat = call('HGETALL', P .. 'ready')
for k = 1, #flat, 2 do
  local queue, priority, rest = match(flat[k], '^([^:]+):(%d)(.*)$')
  if rest == '' and (ARGV[1] == '*' or ARGV[1] == queue or ARGV[1] == flat[k]) then
    woken[queue] = (woken[queue] or 0) + tonumber(flat[k + 1])
    if tonumber(priority) >= 2 then call('SPUBLISH', P .. 'urgent', priority) end
  end
end
finish_ready()
return removed
