-- lib_bulk_streams: what waits or runs in the streams, for a bulk operation.

-- The streams in their order; the cursor is <stream>/<entry>.
local function streams_in_order()
  local out = {}
  local queues = call('SMEMBERS', P .. 'queues')
  table.sort(queues)
  for _, queue in ipairs(queues) do
    if only_queue == '' or queue == only_queue then
      for priority = 3, 0, -1 do
        out[#out + 1] = queue .. ':' .. priority
        out[#out + 1] = queue .. ':' .. priority .. ':isolated'
      end
    end
  end
  return out
end

-- Ids that stand in the streams, running or waiting, and the cursor behind them.
local function select_standing(wants_running)
  local at, after = match(recorded.cursor, '^([^/]+)/(.*)$')
  local ids, looked, streams = {}, 0, streams_in_order()
  for s = 1, #streams do
    local stream = streams[s]
    if at == stream or not at then
      local from = after and after ~= '' and '(' .. after or from_ms == '' and '-' or from_ms
      at, after = nil, nil
      local entries, held = entries_with_holders(stream, from, until_ms, STEP - looked)
      for k = 1, #entries do
        local entry, id, typ = entries[k][1], entries[k][2][2], entries[k][2][4]
        local runs = held[entry] ~= nil and held[entry] ~= false and held[entry] ~= 'returned'
        if runs == wants_running and may_be_meant(stream, typ) then
          local h = call('HMGET', P .. 'task:' .. id, 'entry', 'state')
          if h[1] == stream .. '/' .. entry and not h[2] then ids[#ids + 1] = id end
        end
      end
      looked = looked + #entries
      if looked >= STEP then return ids, stream .. '/' .. entries[#entries][1] end
    end
  end
  return ids, ''
end
