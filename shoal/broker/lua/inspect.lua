#!lua flags=no-writes
-- inspect: tasks as they stand, each read at one instant; at most 256 ids a call.
--   KEYS[1]  the partition's marker
--   ARGV     ids
-- Returns  per id: false, or {state, incarnation or '', delivered ms or 0, field, value, ...}; among the fields
--          `waiting`: the parents, without separators, that have not ended
-- Changes  nothing.
--# include lib_base
local out = {}
for k = 1, #ARGV do
  local flat = call('HGETALL', P .. 'task:' .. ARGV[k])
  if #flat == 0 then
    out[k] = false
  else
    local h = {}
    for f = 1, #flat, 2 do h[flat[f]] = flat[f + 1] end
    local state, worker, delivered = h.state, '', 0
    if not state then
      state = 'PENDING'
      local stream, entry = match(h.entry or '', '^([^/]+)/([^/]+)$')
      if stream then
        local p = call('XPENDING', P .. 'stream:' .. stream, GROUP, entry, entry, 1)[1]
        if p and p[2] ~= 'returned' then
          state, worker, delivered = 'RUNNING', p[2], NOW - p[3]
        end
      end
    end
    local row = { state, worker, delivered }
    for f = 1, #flat do row[3 + f] = flat[f] end
    if h.parents and state == 'SCHEDULED' then
      row[#row + 1] = 'waiting'
      row[#row + 1] = concat(call('SMEMBERS', P .. 'waiting:' .. ARGV[k]))
    end
    out[k] = row
  end
end
return out
