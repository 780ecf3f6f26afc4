-- Reads what has been appended to the log of changes.
-- KEYS[1]  the ID of the last message
-- KEYS[2]  the log, a stream
-- ARGV[1]  a random number, for the ID from which a log begins that has none
-- ARGV[2]  how long the last ID is remembered, milliseconds
-- ARGV[3]  the ID of the last message that the caller knows, or '' for none: then no messages are returned
-- ARGV[4]  the most messages to return
-- Returns  the ID of the last message, and the messages after ARGV[3] that are still there, in order
local last = redis.call('GET', KEYS[1])
local sequence, random = string.match(last or '', '^(%d+)%-(%d+)$')
if not sequence or #sequence > 15 or #random > 15 then
  redis.call('UNLINK', KEYS[2])
  last = '0-' .. ARGV[1]
  redis.call('SET', KEYS[1], last, 'PX', ARGV[2])
end
local messages = {}
if ARGV[3] ~= '' and ARGV[3] ~= last then
  for _, entry in ipairs(redis.call('XRANGE', KEYS[2], '(' .. ARGV[3], '+', 'COUNT', ARGV[4])) do
    messages[#messages + 1] = entry[2][2]
  end
end
return {last, messages}
