#!lua flags=no-writes
-- parents: how tasks that others are to wait for stand; at most 1,000 ids a call.
--   KEYS[1]  the partition's marker
--   ARGV     ids
-- Returns  per id: alive | COMPLETED | DEAD | CANCELLED | '' (nothing is known of it)
-- Changes  nothing.
--# include lib_base lib_dependents
local out = {}
for k = 1, #ARGV do out[k] = end_of(ARGV[k]) or '' end
return out
