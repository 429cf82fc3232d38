#!lua flags=no-writes
-- oldest: how long the oldest ready task of each stream has waited.
--   KEYS[1]  the partition's marker
-- Returns  {now ms, stream, ms of its oldest ready entry, repeated}
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
return out
