# A Rack application of a few routes, none of which needs more than Ruby and Puma.

require "digest"
require "securerandom"

# Tells one boot from the next: Puma restarts under the same process id.
BOOT = SecureRandom.hex

PLAIN = { "content-type" => "text/plain" }

# Yields its second piece when the file exists, so that whoever reads can say when.
class Pieces
  def initialize(file)
    @file = file
  end

  def each
    yield "data: one\n\n"
    sleep 0.01 until File.exist?(@file)
    yield "data: two\n\n"
  end
end

# A file of any size in pieces, without a length.
class Download
  def initialize(path)
    @path = path
  end

  def each
    File.open(@path, "rb") do |file|
      while (piece = file.read(65_536))
        yield piece
      end
    end
  end
end

# Takes the socket from Puma, upgrades it and echoes.
def echo(env)
  io = env["rack.hijack"].call
  Thread.new do
    io.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    loop { io.write(io.readpartial(16_384)) }
  rescue SystemCallError, IOError
    # The client has left.
  ensure
    io.close
  end
  [-1, {}, []]
end

# Takes the socket and answers on it without a length: the end of the connection is the end of the body.
def until_close(env)
  io = env["rack.hijack"].call
  io.write("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nuntil close")
  io.close
  [-1, {}, []]
end

# Reads the upload in pieces and answers with its digest.
def digest(input)
  digest = Digest::SHA256.new
  while (piece = input.read(65_536))
    digest << piece
  end
  digest.hexdigest
end

run(lambda do |env|
  query = env["QUERY_STRING"]
  case env["PATH_INFO"]
  when "/" then [200, PLAIN, ["hello\n"]]
  when "/boot" then [200, PLAIN, [BOOT]]
  when "/pid" then [200, PLAIN, [Process.pid.to_s]]
  when "/peer" then [200, PLAIN, ["#{env["HTTP_HOST"]} #{env["HTTP_X_FORWARDED_FOR"]} #{env["HTTP_X_REQUEST_ID"]}"]]
  when "/slow"
    sleep query.to_f
    [200, PLAIN, ["slow\n"]]
  when "/events" then [200, { "content-type" => "text/event-stream" }, Pieces.new(query)]
  when "/download" then [200, { "content-type" => "application/octet-stream" }, Download.new(query)]
  when "/upload" then [200, PLAIN, [digest(env["rack.input"])]]
  when "/echo" then echo(env)
  when "/until-close" then until_close(env)
  else [404, PLAIN, ["not found\n"]]
  end
end)
