-- lib_prune: how ended tasks go: COMPLETED from the old end of a journal by whole entries, the others by their indexes,
-- those with a retention of their own by `expiring`.

local function after(entry)
  local ms, seq = match(entry, '^(%d+)-(%d+)$')
  return ms .. '-' .. format('%d', seq + 1)
end

-- An id that was deleted by hand and submitted again stands in a journal though it is not COMPLETED: it must stay.
-- Only where something was ever deleted are states looked at.
local function spare_others(keys, n)
  if not call('HGET', P .. 'stats', 'deleted') then return end
  for k = 1, n do
    if call('HGET', keys[k], 'state') ~= 'COMPLETED' then keys[k] = P .. 'task:' end
  end
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
  spare_others(keys, nk)
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

-- Removes whole entries of one type's own journal that ended before `until_ms`, at most about `budget` ids; `done` goes
-- on naming them. Returns how many tasks went, and whether more may stand.
local function prune_type_done(typ, budget, until_ms)
  local key = P .. 'done:' .. typ
  local stop = format('%d', until_ms)
  local looked, gone, last = 0, 0, nil
  while looked < budget do
    local entry = call('XRANGE', key, last and '(' .. last or '-', stop, 'COUNT', 1)[1]
    if not entry then break end
    last = entry[1]
    local keys, ids = {}, entry[2][2]
    for at = 1, #ids, 36 do keys[#keys + 1] = P .. 'task:' .. sub(ids, at, at + 35) end
    spare_others(keys, #keys)
    gone = gone + call('UNLINK', unpack(keys))
    looked = looked + #keys
  end
  if gone > 0 then move(typ, 'COMPLETED', nil, gone) end
  if last then call('XTRIM', key, 'MINID', after(last)) end
  return gone, looked >= budget
end

-- What a zset names though its hash is gone: nothing says its type any more, so it leaves the zsets of all types
-- that the state has had. Its counter is not touched; verify tells of it.
local function forget(state, ids)
  call('ZREM', P .. 'index:' .. state, unpack(ids))
  local fields = call('HKEYS', P .. 'counts')
  for k = 1, #fields do
    local typ = match(fields[k], '^' .. state .. ':(.+)$')
    if typ then call('ZREM', P .. 'index:' .. state .. ':' .. typ, unpack(ids)) end
  end
end

-- One task leaves the zset of its error, and with it the oldest whose hashes are gone: nothing else leads to those.
local function leave_fingerprint(fingerprint, id)
  local key = P .. 'fingerprint:' .. fingerprint
  call('ZREM', key, id)
  local oldest = call('ZRANGE', key, 0, 9)
  for k = 1, #oldest do
    if call('EXISTS', P .. 'task:' .. oldest[k]) == 0 then call('ZREM', key, oldest[k]) end
  end
end

-- Removes one CANCELLED or DEAD task and its places in the indexes; returns whether there was one.
local function drop_indexed(id, state, typ, fingerprint)
  index_remove(state, typ, id)
  if fingerprint then leave_fingerprint(fingerprint, id) end
  if call('UNLINK', P .. 'task:' .. id) == 0 then return false end
  move(typ, state, nil, 1)
  return true
end

-- Removes at most 100 tasks of a state, or of a state and type, that ended before `until_ms`. Returns how many it
-- looked at, and whether more may stand.
local function prune_index(state, typ, until_ms)
  local index = P .. 'index:' .. state .. (typ and ':' .. typ or '')
  local ids = call('ZRANGE', index, '-inf', until_ms, 'BYSCORE', 'LIMIT', 0, 100)
  local gone = {}
  for k = 1, #ids do
    local h = call('HMGET', P .. 'task:' .. ids[k], 'type', 'state', 'fingerprint')
    if h[2] == state then
      drop_indexed(ids[k], state, h[1], h[3])
    else
      gone[#gone + 1] = ids[k]
    end
  end
  if #gone > 0 then forget(state, gone) end
  return #ids, #ids == 100
end

-- Removes at most 256 tasks whose own retention has passed. Returns how many of each state went, and `looked`.
local function prune_expiring()
  local gone = { COMPLETED = 0, CANCELLED = 0, DEAD = 0, looked = 0 }
  local ids = call('ZRANGE', P .. 'expiring', '-inf', NOW, 'BYSCORE', 'LIMIT', 0, 256)
  if #ids == 0 then return gone end
  gone.looked = #ids
  for k = 1, #ids do
    local id = ids[k]
    local h = call('HMGET', P .. 'task:' .. id, 'type', 'state', 'fingerprint')
    local state = h[2]
    if state == 'COMPLETED' then
      -- The journals go on naming it until they are pruned there.
      call('UNLINK', P .. 'task:' .. id)
      move(h[1], state, nil, 1)
      gone[state] = gone[state] + 1
    elseif state == 'CANCELLED' or state == 'DEAD' then
      drop_indexed(id, state, h[1], h[3])
      gone[state] = gone[state] + 1
    end
  end
  call('ZREM', P .. 'expiring', unpack(ids))
  return gone
end
