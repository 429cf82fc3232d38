#!lua flags=no-writes
-- verify_totals: the counters, and what the streams say of `ready`, at one instant.
--   KEYS[1]  the partition's marker
-- Returns  {{ready field, value, ...}, {counts field, value, ...}, {stats field, value, ...}, last event's id or '',
--          {stream, entries that are not pending + returned, returned, repeated}, {isolated type, until ms, repeated}}
-- Changes  nothing.
--# include lib_base
local streams, m = {}, 0
for _, queue in ipairs(call('SMEMBERS', P .. 'queues')) do
  for priority = 0, 3 do
    for _, suffix in ipairs({ '', ':isolated' }) do
      local stream = queue .. ':' .. priority .. suffix
      local summary = redis.pcall('XPENDING', P .. 'stream:' .. stream, GROUP)
      if not summary.err then
        local returned = 0
        for _, consumer in ipairs(summary[4] or {}) do
          if consumer[1] == 'returned' then returned = tonumber(consumer[2]) end
        end
        streams[m + 1] = stream
        streams[m + 2] = call('XLEN', P .. 'stream:' .. stream) - summary[1] + returned
        streams[m + 3] = returned
        m = m + 3
      end
    end
  end
end
local last = call('XREVRANGE', P .. 'events', '+', '-', 'COUNT', 1)[1]
return { call('HGETALL', P .. 'ready'), call('HGETALL', P .. 'counts'), call('HGETALL', P .. 'stats'),
  last and last[1] or '', streams, call('HGETALL', P .. 'isolated_types') }
