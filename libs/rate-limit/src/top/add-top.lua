-- Adds what a process has counted of the subjects of a policy to the current window.
--
-- KEYS[1], KEYS[2]  all that was counted, by subject: of the even windows, of the odd ones
-- KEYS[3], KEYS[4]  the part of it that was denied
-- ARGV[1]  how long a window is, milliseconds
-- ARGV[2]  how many subjects are kept
-- then     for each: the subject, how much it was given, how many of its calls were denied
--
-- Invariant: a window expires when the one after the next begins, in which its keys are used again.
local time = redis.call('TIME')
local length = tonumber(ARGV[1])
local number = math.floor((time[1] * 1000 + math.floor(time[2] / 1000)) / length)
local all, denials = KEYS[1 + number % 2], KEYS[3 + number % 2]
for _, key in ipairs({ all, denials }) do
  local kind = redis.call('TYPE', key).ok
  if kind ~= 'zset' and kind ~= 'none' then
    redis.call('UNLINK', key)
  end
end
for index = 3, #ARGV, 3 do
  local subject, taken, denied = ARGV[index], ARGV[index + 1], ARGV[index + 2]
  redis.call('ZINCRBY', all, taken + denied, subject)
  if denied ~= '0' then
    redis.call('ZINCRBY', denials, denied, subject)
  end
end
local least = redis.call('ZRANGE', all, 0, -1 - ARGV[2])
for _, subject in ipairs(least) do
  redis.call('ZREM', all, subject)
  redis.call('ZREM', denials, subject)
end
local ends = string.format('%.0f', (number + 2) * length)
redis.call('PEXPIREAT', all, ends)
redis.call('PEXPIREAT', denials, ends)
return #least
