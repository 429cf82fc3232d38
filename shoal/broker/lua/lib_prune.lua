-- lib_prune: COMPLETED tasks leave from the old end of `done`, by whole entries.

local function after(entry)
  local ms, seq = match(entry, '^(%d+)-(%d+)$')
  return ms .. '-' .. format('%d', seq + 1)
end

-- Removes whole entries that ended before `until_ms` until `budget` ids are gone or `excess` is met. Each type's counter
-- loses what UNLINK says; the types are told apart only when some hash was gone already.
-- Returns the ids taken, and whether more may stand.
-- The types' own journals are trimmed by trim_types: naming the bound in every XADD would be 3 % of the AOF.
local function prune_done(budget, excess, until_ms)
  if budget > excess then budget = excess end
  local taken, last, more = 0, nil, true
  local keys, nk, span_types, span_ends, ns = {}, 0, {}, {}, 0
  local stop = format('%d', until_ms)
  while taken < budget do
    local entries = call('XRANGE', P .. 'done', last and '(' .. last or '-', stop, 'COUNT', 2)
    if #entries == 0 then more = false; break end
    for e = 1, #entries do
      if taken >= budget then break end
      local ids, types = entries[e][2][2], entries[e][2][4]
      last = entries[e][1]
      local at = 1
      for typ, n in gmatch(types, '([^%s%*]+)%*?(%d*)') do
        for _ = 1, tonumber(n) or 1 do
          nk = nk + 1; keys[nk] = P .. 'task:' .. sub(ids, at, at + 35)
          at = at + 36
        end
        ns = ns + 1; span_types[ns] = typ; span_ends[ns] = nk
      end
      taken = nk
    end
  end
  if not last then return 0, more end
  local whole = call('EXISTS', unpack(keys)) == nk
  if whole then call('UNLINK', unpack(keys)) end
  local from = 1
  for k = 1, ns do
    local gone = span_ends[k] - from + 1
    if not whole then gone = call('UNLINK', unpack(keys, from, span_ends[k])) end
    if gone > 0 then move(span_types[k], 'COMPLETED', nil, gone) end
    from = span_ends[k] + 1
  end
  call('XTRIM', P .. 'done', 'MINID', after(last))
  return taken, more
end

-- Trims the journals of types up to where `done` begins.
local function trim_types(types)
  local first = call('XRANGE', P .. 'done', '-', '+', 'COUNT', 1)[1]
  local info = not first and call('XINFO', 'STREAM', P .. 'done')
  local from = first and first[1]
  if not from then
    for k = 1, #info, 2 do
      if info[k] == 'last-generated-id' then from = after(info[k + 1]) end
    end
  end
  for k = 1, #types do
    if call('EXISTS', P .. 'done:' .. types[k]) == 1 then call('XTRIM', P .. 'done:' .. types[k], 'MINID', from) end
  end
end
