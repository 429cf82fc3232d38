-- lib_prune: COMPLETED tasks leave from the old end of `done`, by whole entries.

local function after(entry)
  local ms, seq = match(entry, '^(%d+)-(%d+)$')
  return ms .. '-' .. string.format('%.0f', seq + 1)
end

-- Removes whole entries that ended before `until_ms` until `budget` ids are gone or `excess` is met.
-- One type at a time, since what UNLINK returns is what the type's counter loses. Returns the ids taken and whether more stands.
local function prune_done(budget, excess, until_ms)
  if budget > excess then budget = excess end
  local taken, last, more = 0, nil, true
  local keys_of, last_of = {}, {}
  while taken < budget do
    local entries = call('XRANGE', P .. 'done', last and '(' .. last or '-', until_ms, 'COUNT', 2)
    if #entries == 0 then more = false; break end
    for e = 1, #entries do
      if taken >= budget then break end
      local ids, types = entries[e][2][2], entries[e][2][4]
      last = entries[e][1]
      local at = 1
      for typ, n in gmatch(types, '(%S+)%*(%d+)') do
        local keys = keys_of[typ]
        if not keys then keys = {}; keys_of[typ] = keys end
        last_of[typ] = last
        for _ = 1, tonumber(n) do
          keys[#keys + 1] = P .. 'task:' .. sub(ids, at, at + 35)
          at = at + 36
          taken = taken + 1
        end
      end
    end
  end
  for typ, keys in pairs(keys_of) do
    local gone = call('UNLINK', unpack(keys))
    if gone > 0 then move(typ, 'COMPLETED', nil, gone) end
    call('XTRIM', P .. 'done:' .. typ, 'MINID', after(last_of[typ]))
  end
  if last then call('XTRIM', P .. 'done', 'MINID', after(last)) end
  return taken, more
end
