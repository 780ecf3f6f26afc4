-- Gives a lease back without a value.
-- KEYS[1]  the entry
-- ARGV[1]  the text of the lease
-- Returns  1: it stood. 0: it did not, and nothing has changed.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
return redis.call('DEL', KEYS[1])
