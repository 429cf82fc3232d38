-- lib_weighted: how one claim is divided among the priorities when none may starve.
-- Of 15 tasks CRITICAL gets 8, HIGH 4, NORMAL 2 and LOW 1, while all four wait; what a priority has no tasks for goes
-- to the others by the same weights.
local WEIGHTS = { [0] = 1, 2, 4, 8 }
local TURNS = { 3, 2, 3, 1, 3, 2, 3, 0, 3, 2, 3, 1, 3, 2, 3 }

-- have[priority] waits; `turn` rises by 1 with each call, so that small claims get their shares one after the other.
local function divide_by_weight(have, left, turn)
  local quota = { [0] = 0, 0, 0, 0 }
  local weight, given
  repeat
    weight, given = 0, 0
    for p = 0, 3 do
      if quota[p] < have[p] then weight = weight + WEIGHTS[p] end
    end
    local rounds = weight > 0 and math.floor(left / weight) or 0
    for p = 0, 3 do
      local n = math.min(rounds * WEIGHTS[p], have[p] - quota[p])
      quota[p] = quota[p] + n
      given = given + n
    end
    left = left - given
  until given == 0
  while left > 0 and weight > 0 do
    local p = TURNS[turn % 15 + 1]
    turn = turn + 1
    if quota[p] < have[p] then
      quota[p] = quota[p] + 1
      left = left - 1
      if quota[p] == have[p] then weight = weight - WEIGHTS[p] end
    end
  end
  return quota
end
