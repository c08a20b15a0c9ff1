# A Rack application that answers with files, and lets the server in front send them.

require "rack"

ROOT = ENV.fetch("FILES")

# Counts the requests that come this far, and says which answers name a file.
class Counted
  def initialize(app)
    @app = app
    @count = 0
  end

  def call(env)
    return [200, { "Content-Type" => "text/plain" }, [@count.to_s]] if env["PATH_INFO"] == "/count"

    @count += 1
    status, headers, body = @app.call(env)
    names = headers.keys.any? { |name| name.casecmp?("x-sendfile") }
    headers["X-Answer"] = names ? "names a file" : "is a body"
    [status, headers, body]
  end
end

# What Rails' asset server does: the file beside it for those who accept gzip.
class Packed
  def initialize(app)
    @app = app
  end

  def call(env)
    packed = env["HTTP_ACCEPT_ENCODING"].to_s.include?("gzip") && env["PATH_INFO"].end_with?(".js")
    env = env.merge("PATH_INFO" => "#{env["PATH_INFO"]}.gz") if packed
    status, headers, body = @app.call(env)
    headers["Vary"] = "Accept-Encoding"
    headers.merge!("Content-Encoding" => "gzip", "Content-Type" => "text/javascript") if packed
    [status, headers, body]
  end
end

# A body that is a file: what `send_file` of a framework comes to.
class Download
  attr_reader :to_path

  def initialize(path)
    @to_path = path
  end

  def each
    yield File.binread(to_path)
  end
end

DOWNLOAD = lambda do |env|
  headers = { "Content-Type" => "application/x-own", "Content-Disposition" => "attachment; filename=\"own.bin\"" }
  headers["Cache-Control"] = env["QUERY_STRING"] unless env["QUERY_STRING"].empty?
  [200, headers, Download.new(File.join(ROOT, Rack::Utils.unescape_path(env["PATH_INFO"])))]
end

use Counted
# Since 2.2.20 Rack does not believe the request's X-Sendfile-Type: the field has to be named here.
use Rack::Sendfile, "X-Sendfile"
use Rack::ConditionalGet

map("/download") { run DOWNLOAD }
map("/count") { run ->(_env) { [200, {}, []] } }
map("/") do
  use Packed
  run Rack::Files.new(ROOT)
end
