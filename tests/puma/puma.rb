# Puma as an application would run it: where thrust says, with a few threads.
socket = ENV["THRUST_WORKER_SOCKET"]
bind socket ? "unix://#{socket}" : "tcp://127.0.0.1:#{ENV.fetch("PORT")}"
threads 4, 4
environment "production"
