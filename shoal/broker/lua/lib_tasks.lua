-- lib_tasks: what the hash of a task says, and the ends of a task that several verbs share.

-- At most 100 lines; the oldest `interrupted` go first. The length is tested first, since few ever come near.
local function append_history(history, line)
  if not history then return line end
  history = history .. line
  if #history < 2000 then return history end
  local _, lines = string.gsub(history, '\n', '\n')
  while lines > 100 do
    local from = 1
    if sub(history, 1, 12) ~= 'interrupted' .. US then
      local at = find(history, '\ninterrupted' .. US, 1, true)
      from = at and at + 1 or 1
    end
    local to = find(history, '\n', from, true)
    history = sub(history, 1, from - 1) .. sub(history, to + 1)
    lines = lines - 1
  end
  return history
end

-- interrupted and requeued lines carry the time they were written as their start.
local function history_line(kind, token, worker, outcome, error)
  return kind .. US .. token .. US .. worker .. US .. NOW_TEXT .. US .. '0' .. US .. outcome .. US .. (error or '') .. '\n'
end

local function index_add(state, typ, id)
  call('ZADD', P .. 'index:' .. state, NOW_TEXT, id)
  call('ZADD', P .. 'index:' .. state .. ':' .. typ, NOW_TEXT, id)
end

local function index_remove(state, typ, id)
  call('ZREM', P .. 'index:' .. state, id)
  call('ZREM', P .. 'index:' .. state .. ':' .. typ, id)
end

-- A unique key is held until its task ends; another task may hold it by now.
local function free_unique(key, id)
  if key and call('GET', P .. 'unique:' .. key) == id then call('DEL', P .. 'unique:' .. key) end
end

-- A notice for another partition, or for many tasks; whoever serves this partition delivers it.
local posted
local function post(notice)
  call('ZADD', P .. 'outbox', NOW_TEXT, notice)
  if not posted then call('SPUBLISH', P .. 'urgent', 'outbox') end
  posted = true
end

-- What it leaves: state, reason, type, and the last line of its history without the error, so that a late copy of
-- its outcome is known.
local function forget_contents(key)
  local history = call('HGET', key, 'history')
  local last = history and match('\n' .. history, '\n([^\n]*' .. US .. ')[^\n' .. US .. ']*\n$')
  if last then call('HSET', key, 'history', last .. '\n') end
  call('HDEL', key, 'spec', 'result', 'error', 'parents', 'on_failure', 'started', 'recoveries', 'crashes',
    'progress', 'log', 'logged')
end

-- What its field `ends` says is to be done when a task ends; few have it. Words: `w` it had parents, `d` it has
-- dependents, `r<ms>` it is kept so long, `f<ms>` its contents go at once and what is left of it after so long.
local function at_end(id, state, ends)
  if not ends then return end
  local key = P .. 'task:' .. id
  if find(ends, '[wd]') then call('SET', P .. 'ended:' .. id, state, 'EX', '86400') end
  if find(ends, 'd', 1, true) then post('finished ' .. state .. ' ' .. NOW_TEXT .. ' ' .. id) end
  local word, keep = match(ends, '([rf])(%d+)')
  if word then
    call('ZADD', P .. 'expiring', format('%d', NOW + keep), id)
    if word == 'f' then forget_contents(key) end
  end
end

-- It waits for nothing any more. Parents elsewhere keep it among their dependents until they end.
local function stop_waiting(id)
  local waiting = P .. 'waiting:' .. id
  for _, parent in ipairs(call('SMEMBERS', waiting)) do call('ZREM', P .. 'dependents:' .. parent, id) end
  call('DEL', waiting)
end

-- CANCELLED: the hash, the index, the unique key, what its end means to others. The caller moves the counters and the
-- entry.
local function end_cancelled(id, typ, reason, unique)
  local key = P .. 'task:' .. id
  call('HSET', key, 'state', 'CANCELLED', 'ended', NOW_TEXT, 'reason', reason)
  call('HDEL', key, 'cancel', 'due')
  index_add('CANCELLED', typ, id)
  free_unique(unique, id)
  bump(stats, 'cancelled:' .. typ, 1)
  local ends = call('HGET', key, 'ends')
  if ends then
    if find(ends, 'w', 1, true) then stop_waiting(id) end
    at_end(id, 'CANCELLED', ends)
  end
end

-- DEAD without an outcome of a run: the hash, the indexes, the unique key, what it means to others. The caller moves the counters and the entry.
-- The reason is the fingerprint too, so that these stand together in the dead letter queue.
local function end_dead(id, typ, why, history, error, unique)
  local key = P .. 'task:' .. id
  call('HSET', key, 'state', 'DEAD', 'ended', NOW_TEXT, 'reason', why, 'history', history, 'error', error,
    'fingerprint', why)
  call('HDEL', key, 'cancel', 'due')
  call('ZADD', P .. 'fingerprint:' .. why, NOW_TEXT, id)
  index_add('DEAD', typ, id)
  free_unique(unique, id)
  bump(stats, 'dead:' .. typ, 1)
  at_end(id, 'DEAD', call('HGET', key, 'ends'))
end

local function drop_entries(stream, entries)
  if #entries > 0 then
    call('XACK', P .. 'stream:' .. stream, GROUP, unpack(entries))
    call('XDEL', P .. 'stream:' .. stream, unpack(entries))
  end
end
