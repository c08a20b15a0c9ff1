-- wrk … URL ENTRIES FIRST: with ENTRIES above 0 requests are for URL?0 to URL?(ENTRIES - 1), at random, or one after another
-- where FIRST is not negative. At the end, one line of JSON with all that is wanted.

local entries, next_entry

function init(args)
  entries, next_entry = tonumber(args[1]), tonumber(args[2])
  local whole = wrk.format()
  if entries > 0 then
    local from, to = whole:find(" HTTP/1.1", 1, true)
    before, after = whole:sub(1, from - 1) .. "?", whole:sub(from)
    math.randomseed(os.time())
    request = function()
      if next_entry < 0 then
        return before .. math.random(0, entries - 1) .. after
      end
      next_entry = next_entry + 1
      return before .. (next_entry - 1) % entries .. after
    end
  end
end

done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('JSON {"requests":%d,"seconds":%.6f,"bytes":%d,"errors":%d,"p50":%.3f,"p99":%.3f}\n',
    summary.requests, summary.duration / 1e6, summary.bytes, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
