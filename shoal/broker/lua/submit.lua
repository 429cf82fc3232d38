#!lua
-- submit: accept tasks; at most 256 and 4 MiB a call. No allow-oom: a full server refuses before anything is written.
--   KEYS[1]  the partition's marker
--   ARGV     queue limit, scheduled limit, types limit, queues limit (this partition's shares), then per task:
--            id, type, stream (<queue>:<priority>), due ('' now | ms | +ms from now), unique hash or '', spec
-- Returns  {'ok', index, status, ...}: only what is not `new`; status exists:<id> | queue_full | too_many_types | too_many_queues
-- Changes  the task, its entry or its place in `scheduled`, counters, one event.
-- May be repeated: a task whose hash stands answers exists.
--# include lib_base lib_counters lib_ready lib_tasks_read lib_tasks
local max_depth, max_scheduled = tonumber(ARGV[1]), tonumber(ARGV[2])
local max_types, max_queues = tonumber(ARGV[3]), tonumber(ARGV[4])
local total = (#ARGV - 4) / 6

local seen, fields, nf, streams, ns = {}, { 'types' }, 1, {}, 0
for k = 1, total do
  local base = 4 + (k - 1) * 6
  local typ, stream = ARGV[base + 2], ARGV[base + 3]
  if not seen[typ] then
    seen[typ] = true
    nf = nf + 1; fields[nf] = 'submitted:' .. typ
  end
  if not seen[stream .. '/'] then
    seen[stream .. '/'] = true
    ns = ns + 1; streams[ns] = stream
    nf = nf + 1; fields[nf] = 'submitted/' .. stream
  end
end
local known_stats, known_ready = {}, {}
local values = call('HMGET', P .. 'stats', unpack(fields))
for k = 1, nf do known_stats[fields[k]] = values[k] end
values = call('HMGET', P .. 'ready', unpack(streams))
for k = 1, ns do known_ready[streams[k]] = values[k] end
local types = tonumber(known_stats.types) or 0

local queue_ok, queues = {}, nil
local function allowed_queue(stream)
  local queue = queue_of(stream)
  if queue_ok[queue] == nil then
    if call('SISMEMBER', P .. 'queues', queue) == 1 then
      queue_ok[queue] = true
    else
      queues = queues or call('SCARD', P .. 'queues')
      queue_ok[queue] = queues < max_queues
      if queue_ok[queue] then queues = queues + 1 end
    end
  end
  return queue_ok[queue]
end

local scheduled
local answer, na = { 'ok' }, 1
local function refuse(k, status)
  answer[na + 1] = k; answer[na + 2] = status; na = na + 2
end

-- The hash in one HSET, so that it never stands half written; its unique key first.
local function write(key, unique, id, ...)
  if unique == '' then
    call('HSET', key, ...)
  else
    call('SET', P .. 'unique:' .. unique, id)
    call('HSET', key, 'unique', unique, ...)
  end
end

local ids, type_list, stream_list, n = {}, {}, {}, 0
local pending, delayed = {}, {}
local first_due
for k = 1, total do
  local base = 4 + (k - 1) * 6
  local id, typ, stream, due, unique, spec =
    ARGV[base + 1], ARGV[base + 2], ARGV[base + 3], ARGV[base + 4], ARGV[base + 5], ARGV[base + 6]
  local key = P .. 'task:' .. id
  local at = 0
  if due ~= '' then
    at = sub(due, 1, 1) == '+' and NOW + tonumber(sub(due, 2)) or tonumber(due)
  end
  local status
  if call('EXISTS', key) == 1 then
    status = 'exists:' .. id
  elseif unique ~= '' then
    local holder = call('GET', P .. 'unique:' .. unique)
    if holder and call('EXISTS', P .. 'task:' .. holder) == 1 then status = 'exists:' .. holder end
  end
  if status then
    refuse(k, status)
  elseif not known_stats['submitted:' .. typ] and not pending[typ] and not delayed[typ] and types >= max_types then
    refuse(k, 'too_many_types')
  elseif not allowed_queue(stream) then
    refuse(k, 'too_many_queues')
  elseif at > NOW then
    scheduled = scheduled or call('ZCARD', P .. 'scheduled')
    if scheduled >= max_scheduled then
      refuse(k, 'queue_full')
    else
      if not known_stats['submitted:' .. typ] and not pending[typ] and not delayed[typ] then types = types + 1 end
      scheduled = scheduled + 1
      call('ZADD', P .. 'scheduled', at, id)
      index_add('SCHEDULED', typ, id)
      write(key, unique, id, 'spec', spec, 'type', typ, 'entry', stream, 'state', 'SCHEDULED', 'due', at)
      delayed[typ] = (delayed[typ] or 0) + 1
      if not first_due or at < first_due then first_due = at end
      n = n + 1; ids[n] = id; type_list[n] = typ; stream_list[n] = stream
      bump(stats, 'submitted/' .. stream, 1)
    end
  elseif (tonumber(known_ready[stream]) or 0) + (ready[stream] or 0) >= max_depth then
    refuse(k, 'queue_full')
  else
    if not known_stats['submitted:' .. typ] and not pending[typ] and not delayed[typ] then types = types + 1 end
    local entry = make_ready(id, typ, stream)
    write(key, unique, id, 'spec', spec, 'type', typ, 'entry', entry)
    pending[typ] = (pending[typ] or 0) + 1
    n = n + 1; ids[n] = id; type_list[n] = typ; stream_list[n] = stream
    bump(stats, 'submitted/' .. stream, 1)
  end
end

if n > 0 then
  for typ, m in pairs(pending) do
    move(typ, nil, 'PENDING', m); bump(stats, 'submitted:' .. typ, m)
  end
  for typ, m in pairs(delayed) do
    move(typ, nil, 'SCHEDULED', m); bump(stats, 'submitted:' .. typ, m)
  end
  bump(stats, 'types', types - (tonumber(known_stats.types) or 0))
  apply(P .. 'counts', counts)
  apply(P .. 'stats', stats, known_stats)
  call('XADD', P .. 'events', 'MAXLEN', '~', 10000, '*', 'k', 'submitted', 'i', concat(ids),
    'y', run_lengths(type_list, n), 's', run_lengths(stream_list, n))
  finish_ready(known_ready)
  if first_due then wake_for_due(first_due) end
end
return answer
