-- lib_tasks_read: what a token says.
local function split_token(token)
  return match(token, '^([^/]+)/([^/]+)/(%d+)$')
end
