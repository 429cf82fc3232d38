#!lua flags=no-writes
-- verify_workers: who is known to the partition, at one instant.
--   KEYS[1]  the partition's marker
-- Returns  {now, contact ms, grace until ms, {incarnation, beat ms, ...}, {sleepers' name, incarnation, wakes at ms, ...},
--          {stream, consumer, pending, ...}}; a time that is not set is 0
-- Changes  nothing.
--# include lib_base
local sleepers, consumers = {}, {}
local queues = call('SMEMBERS', P .. 'queues')
local names = { '*', '*:isolated' }
for _, queue in ipairs(queues) do names[#names + 1] = queue end
for _, name in ipairs(names) do
  local rows = call('ZRANGE', P .. 'sleepers:' .. name, 0, -1, 'WITHSCORES')
  for k = 1, #rows, 2 do
    local n = #sleepers
    sleepers[n + 1] = name; sleepers[n + 2] = rows[k]; sleepers[n + 3] = rows[k + 1]
  end
end
for _, queue in ipairs(queues) do
  for priority = 0, 3 do
    for _, suffix in ipairs({ '', ':isolated' }) do
      local stream = queue .. ':' .. priority .. suffix
      local rows = redis.pcall('XINFO', 'CONSUMERS', P .. 'stream:' .. stream, GROUP)
      if not rows.err then
        for _, row in ipairs(rows) do
          local n = #consumers
          consumers[n + 1] = stream; consumers[n + 2] = row[2]; consumers[n + 3] = row[4]
        end
      end
    end
  end
end
return { NOW, tonumber(call('GET', P .. 'contact') or 0), tonumber(call('GET', P .. 'grace_until') or 0),
  call('ZRANGE', P .. 'beats', 0, -1, 'WITHSCORES'), sleepers, consumers }
