# An event stream: small pieces, one at a time.
class EventsController < ApplicationController
  include ActionController::Live

  # Each event is the moment in which it was written, so that its reader can tell how late it is.
  def index
    response.headers["Content-Type"] = "text/event-stream"
    response.headers["Last-Modified"] = Time.now.httpdate # keeps Rack::ETag from waiting for the whole
    params.fetch(:count, 10).to_i.times do
      response.stream.write "data: #{Process.clock_gettime(Process::CLOCK_REALTIME)}\n\n"
      sleep params.fetch(:every, 1).to_f
    end
    response.stream.write "event: end\ndata:\n\n"
  ensure
    response.stream.close
  end
end
