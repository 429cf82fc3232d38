#!lua flags=no-writes
-- dead_groups: a slice of the dead letter queue by what its tasks died of, newest first.
--   KEYS[1]  the partition's marker
--   ARGV     how many to look at (<= 256), how many to skip
-- Returns  {looked at, then per group: fingerprint or '', type, reason, how many, newest ms, oldest ms, id of the newest}
-- Changes  nothing.
--# include lib_base
local STATE = 'DEAD'
local rows = call('ZRANGE', P .. 'index:' .. STATE, '+inf', '-inf', 'BYSCORE', 'REV', 'LIMIT', ARGV[2], ARGV[1], 'WITHSCORES')
local groups, order = {}, {}
for k = 1, #rows, 2 do
  local id, at = rows[k], tonumber(rows[k + 1])
  local h = call('HMGET', P .. 'task:' .. id, 'fingerprint', 'type', 'reason', 'state')
  if h[4] == STATE then
    local print, typ, reason = h[1] or '', h[2], h[3] or ''
    local name = print .. '\31' .. typ .. '\31' .. reason
    local group = groups[name]
    if not group then
      group = { print, typ, reason, 0, at, at, id }
      groups[name] = group
      order[#order + 1] = name
    end
    group[4] = group[4] + 1
    group[6] = at
  end
end
local out = { #rows / 2 }
for k = 1, #order do
  for f = 1, 7 do out[#out + 1] = groups[order[k]][f] end
end
return out
