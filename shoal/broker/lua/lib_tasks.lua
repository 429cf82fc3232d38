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
local function history_line(kind, token, worker, outcome)
  return kind .. US .. token .. US .. worker .. US .. NOW_TEXT .. US .. '0' .. US .. outcome .. US .. '\n'
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

-- CANCELLED: the hash, the index, the unique key. The caller moves the counters and the entry.
local function end_cancelled(id, typ, reason, unique)
  local key = P .. 'task:' .. id
  call('HSET', key, 'state', 'CANCELLED', 'ended', NOW_TEXT, 'reason', reason)
  call('HDEL', key, 'cancel', 'due')
  index_add('CANCELLED', typ, id)
  free_unique(unique, id)
  bump(stats, 'cancelled:' .. typ, 1)
end

local function drop_entries(stream, entries)
  if #entries > 0 then
    call('XACK', P .. 'stream:' .. stream, GROUP, unpack(entries))
    call('XDEL', P .. 'stream:' .. stream, unpack(entries))
  end
end
