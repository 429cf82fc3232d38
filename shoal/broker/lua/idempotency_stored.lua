#!lua
-- idempotency_stored: note that the task of an idempotency key has been accepted.
--   KEYS[1]  the partition's marker
--   ARGV     digest of principal and key
-- Returns  1, or 0 when there is no record.
-- Changes  the record; its lifetime goes on.
-- May be repeated.
--# include lib_base
local key = P .. 'idempotency:' .. ARGV[1]
local held = call('GET', key)
if not held then return 0 end
if sub(held, -7) ~= ' stored' then call('SET', key, held .. ' stored', 'KEEPTTL') end
return 1
