# Stands for a Rails application: what of config/environments/production.rb the pages set, and a few routes.

require "rack"
require "ostruct"
require "socket"

module Rails
  CONFIG = OpenStruct.new(action_dispatch: OpenStruct.new, public_file_server: OpenStruct.new(headers: {}))

  def self.application
    Class.new { def self.configure(&block) = instance_eval(&block); def self.config = CONFIG }
  end
end

# As Active Support has it.
class Integer
  def year = self * 31_556_952
end

load "config/environments/production.rb" if File.exist?("config/environments/production.rb")

TEXT = { "content-type" => "text/plain" }.freeze

# A body that is a file, as that of Rails' `send_file`.
class Sent
  attr_reader :to_path

  def initialize(path) = @to_path = path

  def each = yield(File.binread(@to_path))
end

private_page = { "content-type" => "text/html", "cache-control" => "max-age=0, private, must-revalidate" }
asset = { "content-type" => "text/css" }.merge(Rails::CONFIG.public_file_server.headers)
header = Rails::CONFIG.action_dispatch.x_sendfile_header
use Rack::Sendfile, header if header

run(lambda do |env|
  case env["PATH_INFO"]
  when "/" then [200, private_page, ["<link rel=\"stylesheet\" href=\"/assets/application-0f9e8d7c6b5a.css\"><p>Hello</p>\n"]]
  when "/up" then [200, TEXT.dup, ["up\n"]]
  when "/posts" then [200, { "content-type" => "text/html", "cache-control" => "public, max-age=60" }, ["<p>Posts</p>\n"]]
  when "/report" then [200, TEXT.dup, Sent.new(File.expand_path("storage/report.txt"))]
  when "/lost" then [200, TEXT.dup.merge("x-sendfile" => "/rails/storage/lost.txt"), []]
  when "/ip" then [200, TEXT.dup, ["#{env["HTTP_X_FORWARDED_FOR"]} #{env["HTTP_X_FORWARDED_PROTO"]}\n"]]
  when "/secure"
    https = env["HTTP_X_FORWARDED_PROTO"] == "https"
    https ? [200, TEXT.dup, ["secure\n"]] : [301, { "location" => "https://#{env["HTTP_HOST"]}/secure" }, []]
  when "/socket" then [200, TEXT.dup, ["#{env["puma.socket"].class}\n"]]
  when %r{\A/assets/} then [200, asset.dup, ["body { color: black }\n"]]
  else [404, TEXT.dup, ["nothing\n"]]
  end
end)
