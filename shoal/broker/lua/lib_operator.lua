-- lib_operator: what the verbs of operators share: an answer per id, and one event for all that changed.
local answer, na = {}, 0
local changed, nc = {}, 0

local function say(status, state)
  answer[na + 1] = status; answer[na + 2] = state; na = na + 2
end

-- Notes a change for the event: the state the task is in now, and why.
local function note_change(id, typ, state, reason)
  nc = nc + 1; changed[nc] = id .. ' ' .. typ .. ' ' .. state .. ' ' .. reason
end

-- Counters, one event of this kind, wake-ups; nothing at all when nothing changed. Returns the answers.
local function finish_operation(kind)
  if nc > 0 then
    apply(P .. 'counts', counts)
    apply(P .. 'stats', stats)
    call('XADD', P .. 'events', 'MAXLEN', '~', 10000, '*', 'k', kind, 'o', concat(changed, '\n'))
    hint()
    finish_ready()
  end
  return answer
end
