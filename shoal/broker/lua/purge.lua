#!lua flags=allow-oom
-- purge: cancel what is PENDING in one stream, a slice of at most 256 entries; never what runs.
--   KEYS[1]  the partition's marker
--   ARGV     stream, reason, last entry to look at ('' = the last one now), the entry after which to go on ('' = from the first)
-- Returns  {purged, last entry to look at, entry to go on after or '' when all was looked at}
-- Changes  hashes, indexes, counters, entries, one event.
-- May be repeated: what was purged is gone, and what came after the last entry stays.
--# include lib_base lib_counters lib_ready lib_tasks_read lib_tasks lib_operator lib_cancel lib_waiting
local stream, reason, last, after = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if last == '' then
  local newest = call('XREVRANGE', P .. 'stream:' .. stream, '+', '-', 'COUNT', 1)[1]
  if not newest then return { 0, '', '' } end
  last = newest[1]
end
local entries, held = entries_with_holders(stream, after == '' and '-' or '(' .. after, last, 256)
local purged = 0
for k = 1, #entries do
  local entry, id = entries[k][1], entries[k][2][2]
  local holder = held[entry]
  if not holder or holder == 'returned' then
    local h = call('HMGET', P .. 'task:' .. id, 'entry', 'state', 'type', 'unique')
    -- An entry that stands for no task is dropped by the claim that meets it.
    if h[1] == stream .. '/' .. entry and not h[2] then
      cancel_waiting(id, h[3], stream, entry, holder == 'returned', reason, h[4])
      purged = purged + 1
    end
  end
end
finish_operation('cancelled')
return { purged, last, #entries == 256 and entries[256][1] or '' }
