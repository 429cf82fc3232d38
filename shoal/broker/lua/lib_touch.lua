-- lib_touch: silence is not death. The script that stamps `contact` is the one that looks at the gap.
local function touch(lease)
  local last = tonumber(call('GET', P .. 'contact') or nil)
  call('SET', P .. 'contact', NOW_TEXT)
  local gap = last and NOW - last
  if not gap or gap < 0 or gap > lease / 3 then
    call('SET', P .. 'grace_until', NOW + lease)
  end
end

local function beat(incarnation)
  call('ZADD', P .. 'beats', NOW_TEXT, incarnation)
end
