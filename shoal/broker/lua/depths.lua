#!lua flags=no-writes
-- depths: what a worker of these queues may take now.
--   KEYS[1]  the partition's marker
--   ARGV     queues (none = all)
-- Returns  {now, depth of LOW, NORMAL, HIGH, CRITICAL, tasks due now, how many of the depth were handed back,
--          ms until the next task is due, 0 = now, -1 = none is scheduled}
-- Changes  nothing.
--# include lib_base
local mine = {}
for k = 1, #ARGV do mine[ARGV[k]] = true end
local paused = {}
for _, name in ipairs(call('SMEMBERS', P .. 'paused')) do paused[name] = true end
local out = { NOW, 0, 0, 0, 0, 0, 0 }
local flat = call('HGETALL', P .. 'ready')
for k = 1, #flat, 2 do
  local queue, priority, rest = match(flat[k], '^([^:]+):(%d)(.*)$')
  if (rest == '' or rest == ':returned') and (#ARGV == 0 or mine[queue]) and not paused['*'] and not paused[queue]
    and not paused[queue .. ':' .. priority] then
    local place = rest == '' and 2 + priority or 7
    out[place] = out[place] + tonumber(flat[k + 1])
  end
end
local first = call('ZRANGE', P .. 'scheduled', 0, 0, 'WITHSCORES')[2]
out[8] = first and math.max(0, tonumber(first) - NOW) or -1
if out[8] == 0 then out[6] = call('ZCOUNT', P .. 'scheduled', '-inf', NOW) end
return out
