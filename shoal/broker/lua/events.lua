#!lua flags=no-writes
-- events: what happened after an entry of `events`, oldest first.
--   KEYS[1]  the partition's marker
--   ARGV     the entry, or '' = only where the stream ends; '(' in front when that entry itself is left out; most entries
-- Returns  {id of the last entry or '', id of the first or '', {entry id, {field, value, ...}, {ids, types, ...}}, ...}; the
--          last part: what the journal entries that it names hold
-- Changes  nothing.
--# include lib_base
local key = P .. 'events'
local last = call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
local first = call('XRANGE', key, '-', '+', 'COUNT', 1)[1]
local out = { last and last[1] or '', first and first[1] or '' }
if ARGV[1] == '' then return out end
local entries = call('XRANGE', key, ARGV[1], '+', 'COUNT', ARGV[2])
for k = 1, #entries do
  local fields, journal = entries[k][2], {}
  for f = 1, #fields, 2 do
    if fields[f] == 'j' then
      for at in gmatch(fields[f + 1], '%S+') do
        local e = call('XRANGE', P .. 'done', at, at)[1]
        if e then journal[#journal + 1] = e[2][2]; journal[#journal + 1] = e[2][4] end
      end
    end
  end
  out[2 + k] = { entries[k][1], fields, journal }
end
return out
