#!lua flags=allow-oom
-- watch: tasks of other partitions wait for these parents; at most 256 pairs a call.
--   KEYS[1]  the partition's marker
--   ARGV     parent, child, repeated
-- Returns  per pair: watching | COMPLETED | DEAD | CANCELLED | gone (nothing is known of the parent)
-- Changes  the parent's dependents, while it has not ended.
-- May be repeated, late too: a child that waits no more is told in vain.
--# include lib_base lib_dependents
local out = {}
for k = 1, #ARGV, 2 do
  local parent, child = ARGV[k], ARGV[k + 1]
  local how = end_of(parent) or 'gone'
  if how == 'alive' then
    add_dependent(parent, child)
    how = 'watching'
  end
  out[#out + 1] = how
end
return out
