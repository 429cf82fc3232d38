#!lua flags=allow-oom
-- mend_ready: `ready` becomes what the streams hold; consumer groups that are gone are made again.
--   KEYS[1]  the partition's marker
--   ARGV     queues that have streams, and that `queues` may have lost
-- Returns  how many fields were wrong
-- Changes  `queues`, groups (from the first entry), `ready`. May be repeated, and beside live workers: it is one script.
--# include lib_base
for k = 1, #ARGV do call('SADD', P .. 'queues', ARGV[k]) end
local right = {}
local types = call('HLEN', P .. 'isolated_types')
if types > 0 then right.isolated_types = types end
for _, queue in ipairs(call('SMEMBERS', P .. 'queues')) do
  for priority = 0, 3 do
    for _, suffix in ipairs({ '', ':isolated' }) do
      local stream = queue .. ':' .. priority .. suffix
      local key = P .. 'stream:' .. stream
      redis.pcall('XGROUP', 'CREATE', key, GROUP, '0', 'MKSTREAM')
      local summary = redis.pcall('XPENDING', key, GROUP)
      if not summary.err then
        local returned = 0
        for _, consumer in ipairs(summary[4] or {}) do
          if consumer[1] == 'returned' then returned = tonumber(consumer[2]) end
        end
        local free = call('XLEN', key) - summary[1] + returned
        if free > 0 then right[stream] = free end
        if returned > 0 then right[stream .. ':returned'] = returned end
      end
    end
  end
end
local wrong, flat = 0, call('HGETALL', P .. 'ready')
for k = 1, #flat, 2 do
  local field = flat[k]
  if not right[field] then
    call('HDEL', P .. 'ready', field)
    wrong = wrong + 1
  elseif flat[k + 1] == format('%d', right[field]) then
    right[field] = nil
  end
end
for field, n in pairs(right) do
  call('HSET', P .. 'ready', field, format('%d', n))
  wrong = wrong + 1
end
return wrong
