#!lua flags=allow-oom
-- outbox_done: notices that have been delivered; at most 256.
--   KEYS[1]  the partition's marker
--   ARGV     notices
-- Returns  how many stood there
-- Changes  the outbox. May be repeated.
--# include lib_base
return call('ZREM', P .. 'outbox', unpack(ARGV))
