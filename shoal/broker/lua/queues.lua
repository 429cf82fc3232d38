#!lua flags=no-writes
-- queues: depths by queue and priority, what is paused, exact numbers by state.
--   KEYS[1]  the partition's marker
-- Returns  {{ready field, value, ...}, {paused...}, {counts field, value, ...}, {queue...}, {stats field, value, ...}}
-- Changes  nothing.
--# include lib_base
return {
  call('HGETALL', P .. 'ready'), call('SMEMBERS', P .. 'paused'), call('HGETALL', P .. 'counts'),
  call('SMEMBERS', P .. 'queues'), call('HGETALL', P .. 'stats'),
}
