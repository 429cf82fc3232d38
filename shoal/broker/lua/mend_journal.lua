#!lua flags=allow-oom
-- mend_journal: COMPLETED tasks stand in one entry of `done` and of their type's journal; at most 100 ids.
--   KEYS[1]  the partition's marker
--   ARGV     entry to take out ('' = none), its type when only the journal of a type has it, number of ids to leave out,
--            those, then ids to put in
-- Returns  how many ids were put in
-- Changes  both journals: what else the entry named is written again at their end.
-- May be repeated: an entry is taken out once; ids put in twice are found by the next walk.
--# include lib_base
local entry, of_type, nout = ARGV[1], ARGV[2], tonumber(ARGV[3])
local out, ids = {}, {}
for k = 4, 3 + nout do out[ARGV[k]] = true end
for k = 4 + nout, #ARGV do ids[#ids + 1] = ARGV[k] end

if entry ~= '' then
  local e = call('XRANGE', P .. 'done', entry, entry)[1]
  if of_type ~= '' then call('XDEL', P .. 'done:' .. of_type, entry) end
  if e then
    local fields = {}
    for k = 1, #e[2], 2 do fields[e[2][k]] = e[2][k + 1] end
    for typ in gmatch(fields.y or '', '([^%s%*]+)') do
      if redis.pcall('TYPE', P .. 'done:' .. typ).ok == 'stream' then call('XDEL', P .. 'done:' .. typ, entry) end
    end
    call('XDEL', P .. 'done', entry)
    local packed = fields.i or ''
    if #packed % 36 == 0 and #packed <= 3600 then
      for at = 1, #packed, 36 do
        local id = sub(packed, at, at + 35)
        if not out[id] then ids[#ids + 1] = id end
      end
    end
  end
end

-- By type, so that both journals share their lists; each id once.
local by_type, order, seen, n = {}, {}, {}, 0
for _, id in ipairs(ids) do
  local h = redis.pcall('HMGET', P .. 'task:' .. id, 'type', 'state')
  if not h.err and h[1] and h[2] == 'COMPLETED' and not seen[id] then
    seen[id] = true
    n = n + 1
    if not by_type[h[1]] then
      by_type[h[1]] = {}
      order[#order + 1] = h[1]
    end
    table.insert(by_type[h[1]], id)
  end
end
if n > 0 then
  local packed, types = {}, {}
  for k, typ in ipairs(order) do
    packed[k] = concat(by_type[typ])
    types[k] = #by_type[typ] == 1 and typ or typ .. '*' .. #by_type[typ]
  end
  local at = call('XADD', P .. 'done', '*', 'i', concat(packed), 'y', concat(types, ' '))
  for k, typ in ipairs(order) do call('XADD', P .. 'done:' .. typ, at, 'i', packed[k]) end
end
return n
