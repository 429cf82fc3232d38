#!lua
-- submit: accept tasks; at most 256 and 4 MiB a call. No allow-oom: a full server refuses before anything is written.
--   KEYS[1]  the partition's marker
--   ARGV     queue limit, scheduled limit, types limit, queues limit (this partition's shares), then per task:
--            id, type, stream (<queue>:<priority>), due ('' now | ms | +ms from now), unique hash or '', spec.
--            Few tasks have more: due|retention ('' | r<ms> | f<ms>)|on failure ('' | run)|parents with spaces between:
--            an id of this partition, or one of another with how it was seen to stand: ? alive, + COMPLETED, - else
-- Returns  {'ok', index, status, ...}: only what is not `new`; status exists:<id> | queue_full | too_many_types |
--          too_many_queues | unknown_parent:<id>
-- Changes  the task, its entry, its place in `scheduled` or what it waits for, notices, counters, one event.
-- May be repeated: a task whose hash stands answers exists.
--# include lib_base lib_counters lib_ready lib_tasks_read lib_tasks lib_dependents
local max_depth, max_scheduled = tonumber(ARGV[1]), tonumber(ARGV[2])
local max_types, max_queues = tonumber(ARGV[3]), tonumber(ARGV[4])
local total = (#ARGV - 4) / 6

-- From a type to its counter's name; then to whether this call is the first to bring it.
local is_new = {}
local seen, fields, nf, streams, ns = {}, { 'types' }, 1, {}, 0
for k = 1, total do
  local base = 4 + (k - 1) * 6
  local typ, stream = ARGV[base + 2], ARGV[base + 3]
  if not is_new[typ] then
    is_new[typ] = 'submitted:' .. typ
    nf = nf + 1; fields[nf] = is_new[typ]
  end
  if not seen[stream] then
    seen[stream] = true
    ns = ns + 1; streams[ns] = stream
    nf = nf + 1; fields[nf] = 'submitted/' .. stream
  end
end
local known_stats, known_ready = {}, {}
local values = call('HMGET', P .. 'stats', unpack(fields))
for k = 1, nf do known_stats[fields[k]] = values[k] end
for typ, field in pairs(is_new) do is_new[typ] = not known_stats[field] end
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

-- A task whose parent answered `exists` waits for the one that has its unique key.
local holder_of = {}

-- What a task waits for, as it stands; nothing is written. Returns parents here, parents elsewhere, the first that did
-- not complete and how; or nil and the one that nobody knows.
local function look_at_parents(parents, list)
  local here, away, failed, how = {}, {}, nil, nil
  for token in gmatch(parents, '%S+') do
    local parent, word = sub(token, 1, 36), sub(token, 37)
    if word == '' then
      parent = holder_of[parent] or parent
      local ended = end_of(parent)
      if not ended then return nil, parent end
      if ended == 'alive' then
        here[#here + 1] = parent
      elseif ended ~= 'COMPLETED' and not failed then
        failed, how = parent, ended
      end
    elseif word == '?' then
      away[#away + 1] = parent
    elseif word == '-' and not failed then
      failed, how = parent, 'not completed'
    end
    list[#list + 1] = parent
  end
  return here, away, failed, how
end

local function wait_for(id, here, away)
  if #here > 0 then call('SADD', P .. 'waiting:' .. id, unpack(here)) end
  if #away > 0 then call('SADD', P .. 'waiting:' .. id, unpack(away)) end
  for _, parent in ipairs(here) do add_dependent(parent, id) end
  for _, parent in ipairs(away) do post('watch ' .. NOW_TEXT .. ' ' .. parent .. ' ' .. id) end
end

local ids, type_list, stream_list, n = {}, {}, {}, 0
local pending, delayed, failed_at_once, at_once, waits_at = {}, {}, {}, {}, {}
local first_due
local function accept(id, typ, stream, as)
  if is_new[typ] then types = types + 1; is_new[typ] = false end
  as[typ] = (as[typ] or 0) + 1
  n = n + 1; ids[n] = id; type_list[n] = typ; stream_list[n] = stream
  bump(stats, 'submitted/' .. stream, 1)
end

-- Fields that few tasks have.
local function more_fields(retention, on_failure, list)
  local more, ends = {}, retention
  if list then
    ends = ends == '' and 'w' or 'w ' .. ends
    more = { 'parents', concat(list) }
    if on_failure ~= '' then more[3] = 'on_failure'; more[4] = on_failure end
  end
  if ends ~= '' then more[#more + 1] = 'ends'; more[#more + 1] = ends end
  return more
end

for k = 1, total do
  local base = 4 + (k - 1) * 6
  local id, typ, stream, due, unique, spec =
    ARGV[base + 1], ARGV[base + 2], ARGV[base + 3], ARGV[base + 4], ARGV[base + 5], ARGV[base + 6]
  local key = P .. 'task:' .. id
  local at = 0
  local has_more, retention, on_failure, parents, list, here, away, failed, how
  if due ~= '' then
    if find(due, '|', 1, true) then
      has_more = true
      due, retention, on_failure, parents = match(due, '^([^|]*)|([^|]*)|([^|]*)|([^|]*)$')
    end
    if due ~= '' then
      at = sub(due, 1, 1) == '+' and NOW + tonumber(sub(due, 2)) or tonumber(due)
    end
  end
  local status
  if call('EXISTS', key) == 1 then
    status = 'exists:' .. id
  elseif unique ~= '' then
    local holder = call('GET', P .. 'unique:' .. unique)
    if holder and call('EXISTS', P .. 'task:' .. holder) == 1 then
      status = 'exists:' .. holder
      holder_of[id] = holder
    end
  end
  if has_more and not status and parents ~= '' then
    list = {}
    here, away, failed, how = look_at_parents(parents, list)
    if not here then status = 'unknown_parent:' .. away end
  end
  local waits = here and #here + #away > 0
  if status then
    refuse(k, status)
  elseif is_new[typ] and types >= max_types then
    refuse(k, 'too_many_types')
  elseif not allowed_queue(stream) then
    refuse(k, 'too_many_queues')
  elseif failed and on_failure ~= 'run' then
    accept(id, typ, stream, failed_at_once)
    local more = more_fields(retention, on_failure, list)
    if unique ~= '' then more[#more + 1] = 'unique'; more[#more + 1] = unique end
    call('HSET', key, 'spec', spec, 'type', typ, 'entry', stream, 'error', dependency_error(failed, how), unpack(more))
    end_cancelled(id, typ, 'dependency_failed')
    at_once[#at_once + 1] = id .. ' ' .. typ .. ' CANCELLED dependency_failed'
  elseif at > NOW or waits then
    -- What waits for its time or for others.
    scheduled = scheduled or call('ZCARD', P .. 'index:SCHEDULED')
    if scheduled >= max_scheduled then
      refuse(k, 'queue_full')
    else
      accept(id, typ, stream, delayed)
      waits_at[#waits_at + 1] = n
      scheduled = scheduled + 1
      index_add('SCHEDULED', typ, id)
      local more = has_more and more_fields(retention, on_failure, list) or {}
      if at > NOW then more[#more + 1] = 'due'; more[#more + 1] = at end
      if waits then
        wait_for(id, here, away)
      else
        call('ZADD', P .. 'scheduled', at, id)
        if not first_due or at < first_due then first_due = at end
      end
      write(key, unique, id, 'spec', spec, 'type', typ, 'entry', stream, 'state', 'SCHEDULED', unpack(more))
    end
  elseif (tonumber(known_ready[stream]) or 0) + (ready[stream] or 0) >= max_depth then
    refuse(k, 'queue_full')
  else
    accept(id, typ, stream, pending)
    local entry = make_ready(id, typ, stream)
    if has_more then
      write(key, unique, id, 'spec', spec, 'type', typ, 'entry', entry, unpack(more_fields(retention, on_failure, list)))
    else
      write(key, unique, id, 'spec', spec, 'type', typ, 'entry', entry)
    end
  end
end

if n > 0 then
  for typ, m in pairs(pending) do
    move(typ, nil, 'PENDING', m); bump(stats, 'submitted:' .. typ, m)
  end
  for typ, m in pairs(delayed) do
    move(typ, nil, 'SCHEDULED', m); bump(stats, 'submitted:' .. typ, m)
  end
  for typ, m in pairs(failed_at_once) do
    move(typ, nil, 'CANCELLED', m); bump(stats, 'submitted:' .. typ, m)
  end
  bump(stats, 'types', types - (tonumber(known_stats.types) or 0))
  apply(P .. 'counts', counts)
  apply(P .. 'stats', stats, known_stats)
  local event = { 'XADD', P .. 'events', 'MAXLEN', '~', 10000, '*', 'k', 'submitted', 'i', concat(ids),
    'y', run_lengths(type_list, n), 's', run_lengths(stream_list, n) }
  if at_once[1] then event[#event + 1] = 'o'; event[#event + 1] = concat(at_once, '\n') end
  if waits_at[1] then event[#event + 1] = 'd'; event[#event + 1] = concat(waits_at, ' ') end
  call(unpack(event))
  hint()
  finish_ready(known_ready)
  if first_due then wake_for_due(first_due) end
end
return answer
