#!lua flags=allow-oom
-- rate_take: lease tokens of a bucket that all API processes share.
--   KEYS[1]  {ns}:rate:<digest>
--   ARGV     tokens per second, most that it holds, how many are needed at least, how many are wanted
-- Returns  {granted, ms until the least is there (0 when granted)}; what is granted may leave the bucket in debt
-- Changes  the bucket. May be repeated: then more was taken than is used.
local rate, most, least, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local T = redis.call('TIME')
local now = T[1] * 1000 + math.floor(T[2] / 1000)
local h = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(h[1] or most), tonumber(h[2] or now)
tokens = math.min(most, tokens + math.max(0, now - at) * rate / 1000)
-- More than it ever holds is let in when it is full, and paid for afterwards.
local enough = math.min(least, most)
local granted, wait = 0, 0
if tokens >= enough then
  granted = math.max(least, math.min(wanted, math.floor(tokens)))
  tokens = tokens - granted
else
  wait = math.ceil((enough - tokens) * 1000 / rate)
end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.3f', tokens), 'at', string.format('%d', now))
redis.call('PEXPIRE', KEYS[1], math.ceil((most - tokens) * 1000 / rate) + 60000)
return { granted, wait }
