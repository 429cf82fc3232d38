#!lua flags=allow-oom
-- outbox_dependents: the next dependents to be told of a notice `finished`, all of one partition; at most 256.
--   KEYS[1]  the partition's marker
--   ARGV     notice, for how long (ms) the caller alone delivers it, the partition to begin with, ids that have been told
-- Returns  {'slice', partition, id...} | 'done' (all were told) | 'later' (only partitions before that are left) |
--          'withdrawn' (the parent was requeued; the others wait on)
-- Changes  who has been told is no dependent any more; with the last one the notice goes.
-- May be repeated, late too.
--# include lib_base
local notice, from = ARGV[1], ARGV[3]
local parent = match(notice, '(%S+)$')
local key = P .. 'dependents:' .. parent
if #ARGV > 3 then call('ZREM', key, unpack(ARGV, 4)) end
if not call('ZSCORE', P .. 'outbox', notice) then return 'withdrawn' end

local first = call('ZRANGE', key, from, '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
if first[1] then
  call('ZADD', P .. 'outbox', 'XX', format('%d', NOW + ARGV[2]), notice)
  local partition = tonumber(first[2])
  return { 'slice', partition, unpack(call('ZRANGE', key, partition, partition, 'BYSCORE', 'LIMIT', 0, 256)) }
end
if call('EXISTS', key) == 1 then return 'later' end
call('ZREM', P .. 'outbox', notice)
local task = P .. 'task:' .. parent
local ends = call('HGET', task, 'ends')
if ends then
  ends = string.gsub(ends, ' ?d', '')
  if ends == '' then call('HDEL', task, 'ends') else call('HSET', task, 'ends', ends) end
end
return 'done'
