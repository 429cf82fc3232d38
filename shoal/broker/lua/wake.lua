#!lua flags=allow-oom
-- wake: pass a wake-up on that the woken worker can't use; only while something of the queue is ready.
--   KEYS[1]  the partition's marker
--   ARGV     queue ('*' = any; '<queue>:isolated' = for isolation shards), hops so far
-- Returns  1 when somebody was asked to be woken, else 0
-- Changes  the sleepers. May be repeated: a needless wake-up costs one empty claim.
--# include lib_base lib_counters lib_ready
local queue, hops = ARGV[1], tonumber(ARGV[2])
if hops >= 3 then return 0 end
local flat = call('HGETALL', P .. 'ready')
for k = 1, #flat, 2 do
  local owner, rest = match(flat[k], '^([^:]+):%d(.*)$')
  local is_asked = rest == '' and (queue == '*' or owner == queue) or rest == ':isolated' and owner .. rest == queue
  if is_asked and tonumber(flat[k + 1]) > 0 then
    wake(owner .. rest, 1, hops)
    return 1
  end
end
return 0
