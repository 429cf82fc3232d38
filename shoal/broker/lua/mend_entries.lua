#!lua flags=allow-oom
-- mend_entries: entries of one stream that stand for no task leave; at most 256.
--   KEYS[1]  the partition's marker
--   ARGV     stream, then entry ids
-- Returns  how many were mended
-- Changes  entries and their rows in the pending list; a hash whose own entry is lost takes the one that names it.
-- May be repeated, and beside live workers: each entry is judged anew.
--# include lib_base
local stream, mended = ARGV[1], 0
local key = P .. 'stream:' .. stream

local function carried_at(place)
  local where, entry = match(place or '', '^([^/]+)/(%d+%-%d+)$')
  if not where then return nil end
  local e = redis.pcall('XRANGE', P .. 'stream:' .. where, entry, entry)
  return not e.err and e[1] and e[1][2][2]
end

-- Whether the entry may stand, when need be after its hash was told of it.
local function may_stand(entry, fields)
  if fields[1] ~= 'i' or fields[3] ~= 'y' then return false end
  local id = fields[2]
  local h = redis.pcall('HMGET', P .. 'task:' .. id, 'entry', 'state', 'type')
  if h.err then return true end
  if h[1] == stream .. '/' .. entry and not h[2] then return true end
  if not h[3] or h[2] or carried_at(h[1]) == id then return false end
  call('HSET', P .. 'task:' .. id, 'entry', stream .. '/' .. entry)
  mended = mended + 1
  return true
end

for k = 2, #ARGV do
  local entry = ARGV[k]
  local e = call('XRANGE', key, entry, entry)[1]
  if not e or not may_stand(entry, e[2]) then
    redis.pcall('XACK', key, GROUP, entry)
    call('XDEL', key, entry)
    mended = mended + 1
  end
end
return mended
