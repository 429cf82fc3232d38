#!lua flags=no-writes
-- list_tasks: one partition's part of a page of tasks in one state, newest first.
--   KEYS[1]  the partition's marker
--   ARGV     state, type or '', before (ms, exclusive; '' = from the newest), limit (<= 1200)
-- Returns  id, ms, repeated: for COMPLETED and the indexed states the time the state began,
--          for PENDING the time of the entry, for RUNNING the time of the claim or last renewal.
-- Changes  nothing. A page of COMPLETED may hold ids whose hash has gone meanwhile; they are left out.
--# include lib_base
local state, typ, before, limit = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local out, m = {}, 0
local function emit(id, at)
  out[m + 1] = id; out[m + 2] = at; m = m + 2
end

if state == 'COMPLETED' then
  local key = typ == '' and P .. 'done' or P .. 'done:' .. typ
  local to = before == '' and '+' or '(' .. string.format('%.0f', tonumber(before)) .. '-0'
  local rounds = 0
  while m / 2 < limit and rounds < 64 do
    rounds = rounds + 1
    local entries = call('XREVRANGE', key, to, '-', 'COUNT', 16)
    for e = 1, #entries do
      local ids, at = entries[e][2][2], tonumber(match(entries[e][1], '^%d+'))
      for from = #ids - 35, 1, -36 do
        local id = sub(ids, from, from + 35)
        if call('HGET', P .. 'task:' .. id, 'state') == 'COMPLETED' then emit(id, at) end
      end
      to = '(' .. entries[e][1]
      if m / 2 >= limit then break end
    end
    if #entries < 16 then break end
  end
elseif state == 'PENDING' or state == 'RUNNING' then
  local queues = call('SMEMBERS', P .. 'queues')
  for _, queue in ipairs(queues) do
    for priority = 3, 0, -1 do
      for _, suffix in ipairs({ '', ':isolated' }) do
        local stream = queue .. ':' .. priority .. suffix
        local key = P .. 'stream:' .. stream
        local held = {}
        local pending = call('XPENDING', key, GROUP, '-', '+', limit)
        for k = 1, #pending do held[pending[k][1]] = pending[k] end
        local entries
        if state == 'RUNNING' then
          entries = {}
          for k = 1, #pending do
            if pending[k][2] ~= 'returned' then
              local e = call('XRANGE', key, pending[k][1], pending[k][1])[1]
              if e then entries[#entries + 1] = e end
            end
          end
        else
          entries = call('XREVRANGE', key, '+', '-', 'COUNT', limit)
        end
        for e = 1, #entries do
          local p = held[entries[e][1]]
          local running = p and p[2] ~= 'returned'
          if not p and state == 'PENDING' then
            local one = call('XPENDING', key, GROUP, entries[e][1], entries[e][1], 1)[1]
            running = one and one[2] ~= 'returned'
          end
          local at = running and p and NOW - p[3] or tonumber(match(entries[e][1], '^%d+'))
          if (state == 'RUNNING') == (running or false) and (typ == '' or entries[e][2][4] == typ)
            and (before == '' or at < tonumber(before)) then
            emit(entries[e][2][2], at)
          end
        end
      end
    end
  end
else
  local key = P .. 'index:' .. state .. (typ ~= '' and ':' .. typ or '')
  local to = before == '' and '+inf' or '(' .. before
  local rows = call('ZRANGE', key, to, '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, limit, 'WITHSCORES')
  for k = 1, #rows, 2 do emit(rows[k], tonumber(rows[k + 1])) end
end
return out
