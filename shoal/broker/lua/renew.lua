#!lua flags=allow-oom
-- renew: keep what a worker is running; at most 256 claims a call. Without claims it only says that Redis is in contact.
--   KEYS[1]  the partition's marker
--   ARGV     incarnation, lease ms, rotation number, n, then n times: id, token
-- Returns  {'ok', {lost token...}, {cancel_requested token...}, {unknown token, id, type...}} | 'dead'
-- Changes  the idle time of entries that hold; contact and beats; `started`, once a token.
-- May be repeated: resetting an idle time twice is resetting it once.
--# include lib_base lib_tasks_read lib_touch
local me, lease, rotation, n = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])

touch(lease)
local record = call('GET', P .. 'claimed:' .. me)
if record == 'dead' then return 'dead' end
beat(me)

local lost, cancels, unknown = {}, {}, {}
local listed, streams, renewed = {}, {}, {}
for k = 1, n do
  local id, token = ARGV[3 + 2 * k], ARGV[4 + 2 * k]
  local stream, entry, count = split_token(token)
  listed[token] = true
  streams[stream] = true
  local key = P .. 'task:' .. id
  local h = call('HMGET', key, 'entry', 'state', 'cancel', 'started')
  local held = redis.pcall('XPENDING', P .. 'stream:' .. stream, GROUP, entry, entry, 1, me)
  if held.err and not is_lost(stream) then return held end
  local p = held[1]
  if h[1] == stream .. '/' .. entry and not h[2] and p and p[4] == tonumber(count) then
    local list = renewed[stream]
    if not list then list = {}; renewed[stream] = list end
    list[#list + 1] = entry
    if h[3] then cancels[#cancels + 1] = token end
    -- Before its first renewal an entry has been idle since it was claimed.
    if not h[4] or sub(h[4], 1, #token + 1) ~= token .. ' ' then
      call('HSET', key, 'started', token .. ' ' .. (NOW - p[3]))
    end
  else
    lost[#lost + 1] = token
  end
end
for stream, entries in pairs(renewed) do
  local args = { P .. 'stream:' .. stream, GROUP, me, 0 }
  for k = 1, #entries do args[4 + k] = entries[k] end
  args[#args + 1] = 'JUSTID'
  call('XCLAIM', unpack(args))
end

if record then
  for stream in gmatch(record, '([^/%s]+)/[^/%s]+/%d+') do streams[stream] = true end
end
local queues = call('SMEMBERS', P .. 'queues')
if #queues > 0 then
  table.sort(queues)
  local queue = queues[rotation % #queues + 1]
  for priority = 0, 3 do
    streams[queue .. ':' .. priority] = true
    streams[queue .. ':' .. priority .. ':isolated'] = true
  end
end
for stream in pairs(streams) do
  local key = P .. 'stream:' .. stream
  local pending = redis.pcall('XPENDING', key, GROUP, 'IDLE', math.floor(lease / 3), '-', '+', 256, me)
  if pending.err and not is_lost(stream) then return pending end
  for k = 1, #pending do
    local token = stream .. '/' .. pending[k][1] .. '/' .. pending[k][4]
    if not listed[token] then
      local e = call('XRANGE', key, pending[k][1], pending[k][1])[1]
      if e then
        local m = #unknown
        unknown[m + 1] = token; unknown[m + 2] = e[2][2]; unknown[m + 3] = e[2][4]
      end
    end
  end
end
return { 'ok', lost, cancels, unknown }
