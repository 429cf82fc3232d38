#!lua flags=allow-oom
-- mend_workers: sleepers and consumers that `beats` does not know.
--   KEYS[1]  the partition's marker
--   ARGV     per finding: 'sleepers:<queue>' or 'stream:<name>', incarnation
-- Returns  how many were mended
-- Changes  sleepers; consumers that have nothing; one that has something is noted in `beats`, so that it is recovered a
--          lease later, unless it lives. May be repeated.
--# include lib_base
local mended = 0
for k = 1, #ARGV, 2 do
  local name, incarnation = ARGV[k], ARGV[k + 1]
  if not call('ZSCORE', P .. 'beats', incarnation) then
    mended = mended + 1
    if sub(name, 1, 9) == 'sleepers:' then
      call('ZREM', P .. name, incarnation)
    elseif #call('XPENDING', P .. name, GROUP, '-', '+', 1, incarnation) == 0 then
      call('XGROUP', 'DELCONSUMER', P .. name, GROUP, incarnation)
    else
      call('ZADD', P .. 'beats', NOW_TEXT, incarnation)
    end
  end
end
return mended
