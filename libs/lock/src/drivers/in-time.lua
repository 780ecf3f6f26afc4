-- Ends the scripts of callers that may have given up by now.
--
-- ARGV[1]  a time from which on the script does nothing any more

if now > tonumber(ARGV[1]) then
  return { -1, now }
end
