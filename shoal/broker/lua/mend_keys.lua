#!lua flags=allow-oom
-- mend_keys: unique keys that nobody has a right to go; keys that must expire get an expiry; at most 256.
--   KEYS[1]  the partition's marker
--   ARGV     names after the tag
-- Returns  how many were mended
-- Changes  these keys. May be repeated, and beside live workers: each is judged anew.
--# include lib_base
local ENDED = { COMPLETED = true, CANCELLED = true, DEAD = true }
local mended = 0
for k = 1, #ARGV do
  local name = ARGV[k]
  local digest = match(name, '^unique:(.*)$')
  if digest then
    local holder = redis.pcall('GET', P .. name)
    if type(holder) == 'string' then
      local h = redis.pcall('HMGET', P .. 'task:' .. holder, 'unique', 'state')
      if h.err or h[1] ~= digest or ENDED[h[2]] then mended = mended + call('DEL', P .. name) end
    end
  elseif call('PTTL', P .. name) == -1 then
    mended = mended + call('PEXPIRE', P .. name, name == 'charges' and 60000 or 86400000)
  end
end
return mended
