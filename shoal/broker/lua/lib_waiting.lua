-- lib_waiting: what stands in one stream, in slices, and who holds it.

-- Entries after `from` up to `to`, at most n, each with its holder: nil (not taken yet), 'returned' or an incarnation.
local function entries_with_holders(stream, from, to, n)
  local entries = call('XRANGE', P .. 'stream:' .. stream, from, to, 'COUNT', n)
  local held = {}
  if #entries > 0 then
    -- The pending list has at most one row for an entry; rows of lost entries may take up the count.
    local rows = call('XPENDING', P .. 'stream:' .. stream, GROUP, entries[1][1], entries[#entries][1], 2 * n)
    for k = 1, #rows do held[rows[k][1]] = rows[k][2] end
    if #rows == 2 * n then
      for k = 1, #entries do
        local one = call('XPENDING', P .. 'stream:' .. stream, GROUP, entries[k][1], entries[k][1], 1)[1]
        held[entries[k][1]] = one and one[2]
      end
    end
  end
  return entries, held
end
