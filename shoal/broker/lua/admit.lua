#!lua flags=allow-oom
-- admit: let new task types and queues into the namespace, as long as there are not too many.
--   KEYS[1]  {ns}:types
--   ARGV     most types, most queues, how many types follow, the types, the queues
-- Returns  1 or 0 for each: whether it may be used
-- Changes  the sets of types and queues. May be repeated.
local P = string.sub(KEYS[1], 1, -6)
local out, n = {}, tonumber(ARGV[3])
local function admit(key, name, most)
  if redis.call('SISMEMBER', key, name) == 1 then return 1 end
  if redis.call('SCARD', key) >= most then return 0 end
  return redis.call('SADD', key, name)
end
for k = 4, #ARGV do
  out[k - 3] = k < 4 + n and admit(KEYS[1], ARGV[k], tonumber(ARGV[1]))
    or k >= 4 + n and admit(P .. 'queues', ARGV[k], tonumber(ARGV[2])) or 0
end
return out
