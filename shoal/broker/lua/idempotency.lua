#!lua
-- idempotency: which task an idempotency key stands for. The first to come decides; its record lives 24 h.
--   KEYS[1]  the partition's marker
--   ARGV     digest of principal and key, the id to use if it is new, hash of the request, lifetime (ms)
-- Returns  {'new' | 'known' | 'stored', id} or {'conflict'}: the key stands for another request.
--          `stored`: the task is known to have been accepted, so a task that is gone has had its time.
-- Changes  the record, if there was none.
-- May be repeated: the record answers with the id that it holds.
--# include lib_base
local key = P .. 'idempotency:' .. ARGV[1]
local held = call('GET', key)
if not held then
  call('SET', key, ARGV[2] .. ' ' .. ARGV[3], 'PX', ARGV[4])
  return { 'new', ARGV[2] }
end
local id, hash, stored = match(held, '^(%S+) (%S+) ?(%S*)$')
if hash ~= ARGV[3] then return { 'conflict' } end
return { stored == '' and 'known' or 'stored', id }
