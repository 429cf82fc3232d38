#!lua flags=allow-oom
-- grant_put: let a text that somebody holds (a session, a ticket) stand for what it allows.
--   KEYS[1]  {ns}:session:<digest> or {ns}:ticket:<digest>
--   ARGV     what it allows (JSON), lifetime ms
-- Returns  1
-- Changes  the grant. May be repeated.
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
