#!lua flags=no-writes
-- oldest: since when the oldest ready task of each stream waits, and since when a task is due that is not ready yet.
--   KEYS[1]  the partition's marker
-- Returns  {now ms, stream, ms of its oldest ready entry, repeated}; `scheduled` and the due time, if that has passed
-- Changes  nothing.
--# include lib_base
local out, m = { NOW }, 1
local fields = call('HKEYS', P .. 'ready')
for k = 1, #fields do
  local stream = match(fields[k], '^[^:]+:%d$') or match(fields[k], '^[^:]+:%d:isolated$')
  if stream then
    local key = P .. 'stream:' .. stream
    local first
    local pending = call('XPENDING', key, GROUP, '-', '+', 1, 'returned')[1]
    if pending then first = pending[1] end
    local delivered = '0-0'
    for _, group in ipairs(call('XINFO', 'GROUPS', key)) do
      for f = 1, #group, 2 do
        if group[f] == 'last-delivered-id' then delivered = group[f + 1] end
      end
    end
    if not first then
      local e = call('XRANGE', key, '(' .. delivered, '+', 'COUNT', 1)[1]
      if e then first = e[1] end
    end
    if first then
      out[m + 1] = stream; out[m + 2] = tonumber(match(first, '^%d+')); m = m + 2
    end
  end
end
local first = call('ZRANGE', P .. 'scheduled', 0, 0, 'WITHSCORES')
if first[2] and tonumber(first[2]) < NOW then
  out[m + 1] = 'scheduled'; out[m + 2] = math.floor(tonumber(first[2]))
end
return out
