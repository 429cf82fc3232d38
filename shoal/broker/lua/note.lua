#!lua flags=allow-oom
-- note: what handlers report of themselves while they run; at most 256 tasks and 4 MiB a call.
--   KEYS[1]  the partition's marker
--   ARGV     incarnation, then per task: token, id, type, progress document or '', its fraction, number of the first
--            line in this run (from 1), log lines with \n after each or ''
-- Returns  {'ok', index, ...}: only those whose token does not hold; nothing is written for them
-- Changes  `progress`, `log` and `logged` of tasks whose token holds; one event.
-- May be repeated: lines are numbered within a run, and those that are kept already are left out.
--# include lib_base lib_tasks_read
local me = ARGV[1]
local total = (#ARGV - 1) / 7
local MAX_LINES, MAX_BYTES = 100, 16384

for k = 1, total do
  local base = 1 + (k - 1) * 7
  if not split_token(ARGV[base + 1]) or not tonumber(ARGV[base + 6]) then
    return redis.error_reply('ERR note: the token or number of item ' .. k .. ' is not valid')
  end
end

local function lines_in(text)
  local _, n = string.gsub(text, '\n', '\n')
  return n
end

-- Without its first n lines.
local function without(text, n)
  local at = 1
  for _ = 1, n do at = (find(text, '\n', at, true) or #text) + 1 end
  return sub(text, at)
end

local answer, na = { 'ok' }, 1
local reported, nr = {}, 0
for k = 1, total do
  local base = 1 + (k - 1) * 7
  local token, id, typ, progress, fraction = ARGV[base + 1], ARGV[base + 2], ARGV[base + 3], ARGV[base + 4], ARGV[base + 5]
  local first, lines = tonumber(ARGV[base + 6]), ARGV[base + 7]
  local stream, entry, count = split_token(token)
  local key = P .. 'task:' .. id
  local h = call('HMGET', key, 'entry', 'state', 'log', 'logged')
  local held = redis.pcall('XPENDING', P .. 'stream:' .. stream, GROUP, entry, entry, 1, me)
  if held.err and not is_lost(stream) then return held end
  local p = held[1]
  if h[1] ~= stream .. '/' .. entry or h[2] or not p or p[4] ~= tonumber(count) then
    na = na + 1; answer[na] = k
  else
    if progress ~= '' then
      call('HSET', key, 'progress', progress)
      nr = nr + 1; reported[nr] = id .. ' ' .. typ .. ' progress ' .. fraction
    end
    if lines ~= '' then
      local last = first - 1 + lines_in(lines)
      local kept = h[4] and sub(h[4], 1, #token + 1) == token .. ' ' and tonumber(sub(h[4], #token + 2)) or 0
      if last > kept then
        if kept >= first then lines = without(lines, kept - first + 1) end
        local log = (h[3] or '') .. lines
        local excess = lines_in(log) - MAX_LINES
        if excess > 0 then log = without(log, excess) end
        while #log > MAX_BYTES do log = without(log, 1) end
        call('HSET', key, 'log', log, 'logged', token .. ' ' .. format('%d', last))
      end
    end
  end
end
if nr > 0 then
  call('XADD', P .. 'events', 'MAXLEN', '~', 10000, '*', 'k', 'progress', 'w', me, 'o', concat(reported, '\n'))
  hint()
end
return answer
