#!lua flags=allow-oom
-- audit_add: note what an operator did.
--   KEYS[1]  {ns}:audit
--   ARGV     the record (JSON), most entries
-- Returns  the entry's id
-- Changes  the audit log. May be repeated: then it stands there twice.
return redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', 'r', ARGV[1])
