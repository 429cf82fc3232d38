-- lib_dependents: who waits for whom.

-- How a task ended: COMPLETED, DEAD or CANCELLED; 'alive' while it has not; nil when nothing is known of it.
local function end_of(id)
  local h = call('HMGET', P .. 'task:' .. id, 'type', 'state')
  if not h[1] then return call('GET', P .. 'ended:' .. id) or nil end
  if h[2] == 'COMPLETED' or h[2] == 'DEAD' or h[2] == 'CANCELLED' then return h[2] end
  return 'alive'
end

-- The child is told when the parent, which stands here and has not ended, ends. The score is where the child is.
local function add_dependent(parent, child)
  local key = P .. 'task:' .. parent
  call('ZADD', P .. 'dependents:' .. parent, tonumber(sub(child, 16, 18), 16), child)
  local ends = call('HGET', key, 'ends')
  if not ends then
    call('HSET', key, 'ends', 'd')
  elseif not find(ends, 'd', 1, true) then
    call('HSET', key, 'ends', ends .. ' d')
  end
end

-- What a task says of itself that was cancelled because of its parent.
local function dependency_error(parent, how)
  return '{"type":"DependencyFailed","message":"task ' .. parent .. ', which this one depends on, is ' .. how .. '"}'
end
