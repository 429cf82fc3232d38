#!lua flags=allow-oom
-- mend_waiting: whoever waits for another will be told, and the outbox has only notices; at most 256.
--   KEYS[1]  the partition's marker
--   ARGV     per finding: 'child' id | 'parent' id | 'dependent' parent's id and a space and member | 'outbox' ''
-- Returns  how many were mended
-- Changes  the outbox: a notice that asks or tells again does no harm. `dependents` of this partition, `ends`.
-- May be repeated.
--# include lib_base lib_dependents
local ID = '^%x%x%x%x%x%x%x%x%-%x%x%x%x%-7%x%x%x%-[89ab]%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$'
local mended = 0

local function post(notice)
  mended = mended + call('ZADD', P .. 'outbox', 'NX', NOW_TEXT, notice)
end

local function mend_child(id)
  local waiting = P .. 'waiting:' .. id
  if call('HGET', P .. 'task:' .. id, 'state') ~= 'SCHEDULED' then
    mended = mended + call('DEL', waiting)
    return
  end
  for _, parent in ipairs(call('SMEMBERS', waiting)) do
    if find(parent, ID) and not call('ZSCORE', P .. 'dependents:' .. parent, id) then
      post('watch ' .. NOW_TEXT .. ' ' .. parent .. ' ' .. id)
    end
  end
end

local function mend_parent(id)
  local how = end_of(id) or 'gone'
  if how ~= 'alive' then
    post('finished ' .. how .. ' ' .. NOW_TEXT .. ' ' .. id)
    return
  end
  local ends = call('HGET', P .. 'task:' .. id, 'ends')
  if not ends or not find(ends, 'd', 1, true) then
    call('HSET', P .. 'task:' .. id, 'ends', ends and ends .. ' d' or 'd')
    mended = mended + 1
  end
end

local function mend_dependent(parent, child)
  if find(child, ID) then
    call('ZADD', P .. 'dependents:' .. parent, 'XX', tonumber(sub(child, 16, 18), 16), child)
  else
    call('ZREM', P .. 'dependents:' .. parent, child)
  end
  mended = mended + 1
end

local function is_notice(text)
  local first, second = match(text, '^watch %d+ (%S+) (%S+)$')
  if first then return find(first, ID) and find(second, ID) end
  local parent = match(text, '^finished %u+ %d+ (%S+)$') or match(text, '^finished gone %d+ (%S+)$')
  return parent and find(parent, ID)
end

for k = 1, #ARGV, 2 do
  local what, id = ARGV[k], ARGV[k + 1]
  if what == 'child' then
    mend_child(id)
  elseif what == 'parent' then
    mend_parent(id)
  elseif what == 'dependent' then
    mend_dependent(match(id, '^(%S+) (.*)$'))
  else
    for _, text in ipairs(call('ZRANGE', P .. 'outbox', 0, 9999)) do
      if not is_notice(text) then mended = mended + call('ZREM', P .. 'outbox', text) end
    end
  end
end
return mended
