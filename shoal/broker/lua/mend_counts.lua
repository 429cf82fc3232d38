#!lua flags=allow-oom
-- mend_counts: fields of `counts` become what a recount says, if nothing has moved since it was made.
--   KEYS[1]  the partition's marker
--   ARGV     last event's id or '', then per field: name, what it was ('' = not set), what it must be
-- Returns  1, or 0 when something moved: nothing is done
-- Changes  `counts`. May be repeated, late too.
--# include lib_base
local last = call('XREVRANGE', P .. 'events', '+', '-', 'COUNT', 1)[1]
if (last and last[1] or '') ~= ARGV[1] then return 0 end
for k = 2, #ARGV, 3 do
  if (call('HGET', P .. 'counts', ARGV[k]) or '') ~= ARGV[k + 1] then return 0 end
end
for k = 2, #ARGV, 3 do call('HSET', P .. 'counts', ARGV[k], ARGV[k + 2]) end
return 1
