#!lua flags=allow-oom
-- series_add: note the numbers of this moment in every resolution in which a new step has begun.
--   KEYS[1]  {ns}:series
--   ARGV     the numbers; then for each resolution its name, its step ms, how long it is kept ms, 1 = with histograms
-- Returns  how many resolutions have a new point
-- Changes  their streams, what is older than they keep goes; the histograms that the points were told from.
--          May be repeated: a step has one point, its first.
local P = string.sub(KEYS[1], 1, -7)
local T = redis.call('TIME')
local now = T[1] * 1000 + math.floor(T[2] / 1000)
local added, times = 0, nil
-- What rose since this resolution's last point: '<bucket>*<count> ...' of waits and of runs.
local function since_last(name)
  if not times then times = redis.call('HGETALL', P .. 'times') end
  local seen, text, out = {}, {}, { w = {}, r = {} }
  local before = redis.call('HGET', KEYS[1], name)
  for field, count in string.gmatch(before or '', '(%S+) (%d+)') do seen[field] = tonumber(count) end
  for k = 1, #times, 2 do
    local field, count = times[k], times[k + 1]
    local rise = tonumber(count) - (seen[field] or 0)
    local list = out[string.sub(field, 1, 1)]
    if list and before and rise > 0 then
      list[#list + 1] = string.sub(field, 2) .. '*' .. string.format('%d', rise)
    end
    text[#text + 1] = field .. ' ' .. count
  end
  redis.call('HSET', KEYS[1], name, table.concat(text, ' '))
  return table.concat(out.w, ' '), table.concat(out.r, ' ')
end
for k = 2, #ARGV, 4 do
  local key = P .. 'series:' .. ARGV[k]
  local begun = now - now % tonumber(ARGV[k + 1])
  local last = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
  if not last or tonumber(string.match(last[1], '^%d+')) < begun then
    local id = string.format('%d', begun) .. '-0'
    local first = string.format('%d', begun - tonumber(ARGV[k + 2]))
    if ARGV[k + 3] == '1' then
      local waits, runs = since_last(ARGV[k])
      redis.call('XADD', key, 'MINID', first, id, 'v', ARGV[1], 'w', waits, 'r', runs)
    else
      redis.call('XADD', key, 'MINID', first, id, 'v', ARGV[1])
    end
    added = added + 1
  end
end
return added
