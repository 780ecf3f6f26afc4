-- Reads an entry, or puts a lease in its place.
-- KEYS[1]  the entry
-- ARGV[1]  the text of the lease
-- ARGV[2]  how long the lease stands, milliseconds
-- Returns  the entry (which may be the lease of another caller), or nil: the lease was granted.
-- Invariant: at most one caller is granted a lease until it is filled, given back, voided or expired.
local entry = redis.call('GET', KEYS[1])
if entry then
  return entry
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return nil
