#!lua flags=allow-oom
-- recover: hand back what incarnations without a beat have not renewed for a lease; at most 256 a call.
--   KEYS[1]  the partition's marker
--   ARGV     incarnation of the caller, lease ms, 1 = look also for consumers that `beats` does not know
-- Returns  {recovered, incarnations removed, 1 when it waits for the grace after an outage}
-- Changes  as release with reason lost; an incarnation that had nothing only leaves.
-- May be repeated.
--# include lib_base lib_counters lib_ready lib_tasks_read lib_tasks lib_touch lib_isolation lib_release
local caller, lease, full = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1'

touch(lease)
if call('GET', P .. 'claimed:' .. caller) ~= 'dead' then beat(caller) end
local grace = tonumber(call('GET', P .. 'grace_until') or nil)
if grace and NOW < grace then return { 0, 0, 1 } end

local streams = all_streams()
local suspects, seen = {}, {}
for _, me in ipairs(call('ZRANGE', P .. 'beats', '-inf', NOW - lease, 'BYSCORE', 'LIMIT', 0, 16)) do
  suspects[#suspects + 1] = me; seen[me] = true
end
if full then
  for _, stream in ipairs(streams) do
    for _, row in ipairs(call('XINFO', 'CONSUMERS', P .. 'stream:' .. stream, GROUP)) do
      local name = row[2]
      if name ~= 'returned' and not seen[name] and #suspects < 32 and not call('ZSCORE', P .. 'beats', name) then
        suspects[#suspects + 1] = name; seen[name] = true
      end
    end
  end
end

local left, recovered, removed = 256, 0, 0
for _, me in ipairs(suspects) do
  if left <= 0 then break end
  local handed, remains = 0, false
  for _, stream in ipairs(streams) do
    if left <= 0 then remains = true; break end
    local key = P .. 'stream:' .. stream
    local pending = call('XPENDING', key, GROUP, 'IDLE', lease, '-', '+', left, me)
    if #pending > 0 then
      handed = handed + hand_back(stream, pending, me, 'lost')
      left = left - #pending
    end
    if #call('XPENDING', key, GROUP, '-', '+', 1, me) > 0 then remains = true end
  end
  if handed > 0 then call('SET', P .. 'claimed:' .. me, 'dead', 'EX', 86400) end
  recovered = recovered + handed
  if not remains then
    forget(me, streams)
    removed = removed + 1
  end
end
-- The net below all calls for an isolation shard: while isolated work waits, it is said again.
local flat = call('HGETALL', P .. 'ready')
for k = 1, #flat, 2 do
  local queue, priority = match(flat[k], '^([^:]+):(%d):isolated$')
  if queue then
    local held = call('SMISMEMBER', P .. 'paused', '*', queue, queue .. ':' .. priority)
    if held[1] + held[2] + held[3] == 0 then bump(woken, queue .. ':isolated', tonumber(flat[k + 1])) end
  end
end
finish_release(caller)
return { recovered, removed, 0 }
