-- Gives the lease of a warmer back.
-- KEYS[1]  the key of the warmer
-- ARGV[1]  the text of the lease
-- ARGV[2]  for how many milliseconds no instance needs to run it again; 0: any may at once
-- Returns  1: given back. 0: it had expired or is that of another instance, and nothing has changed.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], 'done', 'PX', ARGV[2])
end
return 1
