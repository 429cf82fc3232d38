#!lua flags=no-writes
-- grant_read: what a grant allows.
--   KEYS[1]  {ns}:session:<digest> or {ns}:ticket:<digest>
-- Returns  what it allows (JSON), or '' when it is gone
-- Changes  nothing.
return redis.call('GET', KEYS[1]) or ''
