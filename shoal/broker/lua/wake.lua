#!lua flags=allow-oom
-- wake: pass a wake-up on that the woken worker can't use; only while something of the queue is ready.
--   KEYS[1]  the partition's marker
--   ARGV     queue ('*' = any; '<queue>:isolated' = for isolation shards), hops so far
-- Returns  1 when somebody was woken, else 0: at the third hop, or with no sleeper left, every shard hears of
--          urgent work instead, and the polls of all find the rest
-- Changes  the sleepers. May be repeated: a needless wake-up costs one empty claim.
--# include lib_base lib_counters lib_ready
local queue, hops = ARGV[1], tonumber(ARGV[2])
local flat = call('HGETALL', P .. 'ready')
local found, highest
for k = 1, #flat, 2 do
  local owner, priority, rest = match(flat[k], '^([^:]+):(%d)(.*)$')
  local is_asked = rest == '' and (queue == '*' or owner == queue) or rest == ':isolated' and owner .. rest == queue
  if is_asked and tonumber(flat[k + 1]) > 0 then
    found = found or owner .. rest
    priority = tonumber(priority)
    if rest == '' and priority >= 2 and priority > (highest or 0) then highest = priority end
  end
end
if not found then return 0 end
if hops < 3 and wake(found, 1, hops) == 0 then return 1 end
if highest then call('SPUBLISH', P .. 'urgent', highest) end
return 0
