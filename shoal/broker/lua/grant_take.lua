#!lua flags=allow-oom
-- grant_take: use a grant up.
--   KEYS[1]  {ns}:session:<digest> or {ns}:ticket:<digest>
-- Returns  what it allowed (JSON), or '' when it is gone
-- Changes  removes it. May come late or twice: only the first is told what it allowed.
local held = redis.call('GET', KEYS[1])
if not held then return '' end
redis.call('DEL', KEYS[1])
return held
