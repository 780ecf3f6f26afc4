-- Reads what was counted of the subjects of a policy in the current window and in the one before.
--
-- KEYS[1], KEYS[2]  all that was counted, by subject: of the even windows, of the odd ones
-- KEYS[3], KEYS[4]  the part of it that was denied
-- Returns  for each key its subjects and scores
local out = {}
for index, key in ipairs(KEYS) do
  out[index] = redis.call('TYPE', key).ok == 'zset' and redis.call('ZRANGE', key, 0, -1, 'WITHSCORES') or {}
end
return out
