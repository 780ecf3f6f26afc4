-- Returns the time of the server that has the key, in microseconds.
--
-- KEYS[1]  a key

local time = redis.call('TIME')
return time[1] * 1000000 + time[2]
