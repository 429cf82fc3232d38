#!lua flags=allow-oom
-- partition_repair: consumer groups that are gone (a key deleted or flushed) are made again, from the first entry.
--   KEYS[1]  the partition's marker
-- Returns  how many were made
-- Changes  groups. May be repeated.
--# include lib_base
local made = 0
for _, queue in ipairs(call('SMEMBERS', P .. 'queues')) do
  for priority = 0, 3 do
    for _, suffix in ipairs({ '', ':isolated' }) do
      local key = P .. 'stream:' .. queue .. ':' .. priority .. suffix
      local reply = redis.pcall('XGROUP', 'CREATE', key, GROUP, '0', 'MKSTREAM')
      if type(reply) == 'table' and reply.ok then made = made + 1 end
    end
  end
end
return made
