# Puma as an application would run it: where thrust says, with a few threads.
bind "tcp://127.0.0.1:#{ENV.fetch("PORT")}"
threads 4, 4
environment "production"
