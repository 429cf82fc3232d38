#!lua flags=allow-oom
-- prune: retention by age and count, and the event log; one bounded slice a call.
--   KEYS[1]  the partition's marker
--   ARGV     COMPLETED tasks to keep (-1 = no bound), age ms, tombstone ms, events to keep ms, then types (<= 256)
--            whose journals are trimmed up to where `done` begins
-- Returns  {completed, cancelled, dead removed, 1 when there is more}
-- Changes  what ended long enough ago goes: hashes, journals, indexes, counters.
-- May be repeated.
--# include lib_base lib_counters lib_tasks_read lib_tasks lib_prune
local keep, age, tombstone, events = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local more = 0
local old = NOW - math.max(age, tombstone)

local completed, stands = prune_done(256, 256, old)
if stands then more = 1 end
if completed == 0 and keep >= 0 then
  local excess = (tonumber(call('HGET', P .. 'counts', 'COMPLETED') or 0)) - keep
  if excess > 0 then
    completed, stands = prune_done(256, excess, NOW - tombstone)
    if stands and excess > completed then more = 1 end
  end
end

local cancelled, stands_too = prune_index('CANCELLED', nil, old)
if stands_too then more = 1 end
local dead
dead, stands_too = prune_index('DEAD', nil, old)
if stands_too then more = 1 end

-- Tasks with a retention of their own.
local gone = prune_expiring()
completed, cancelled, dead = completed + gone.COMPLETED, cancelled + gone.CANCELLED, dead + gone.DEAD
if gone.looked == 256 then more = 1 end

apply(P .. 'counts', counts)
if #ARGV > 4 and call('EXISTS', P .. 'done') == 1 then trim_types({ unpack(ARGV, 5) }) end
call('XTRIM', P .. 'events', 'MINID', '~', format('%d', NOW - events))
return { completed, cancelled, dead, more }
