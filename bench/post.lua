-- SPDX-License-Identifier: Apache-2.0
-- wrk script: POSTs the file BODY with the headers of HEADERS ("name: value" lines), or GETs when BODY
-- is not set; prints one JSON line at the end. PAUSE_MS: each connection waits so long after an answer, on
-- average: the pauses are exponential, so that many connections together arrive as strangers do.
local body_path = os.getenv("BODY")
if body_path then
    local file = assert(io.open(body_path, "rb"))
    wrk.method = "POST"
    wrk.body = file:read("*a")
    file:close()
    for name, value in (os.getenv("HEADERS") or ""):gmatch("([^:\n]+): ([^\n]+)") do
        wrk.headers[name] = value
    end
end

local pause = tonumber(os.getenv("PAUSE_MS") or "0")
if pause > 0 then
    function init()
        math.randomseed(os.time())
    end

    function delay()
        return math.floor(-pause * math.log(1 - math.random()) + 0.5)
    end
end

function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format(
        '\n{"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"max_us":%d,"failed":%d}\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max,
        errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
