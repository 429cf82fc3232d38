-- lib_tasks_read: what a token says.
local function split_token(token)
  return match(token, '^([^/]+)/([^/]+)/(%d+)$')
end

-- A failover may have lost a queue since it was claimed from: then nothing is pending there. A group that is missing
-- in a queue that stands is an error, for the caller to have it made again.
local function is_lost(stream)
  return call('SISMEMBER', P .. 'queues', match(stream, '^[^:]+')) == 0
end
