threads 5, 5

# thrust tells the worker where to listen: on the Unix socket if THRUST_WORKER_SOCKET asks for one, else on PORT.
#
# The socket is better for whatever streams: on TCP, Puma corks what it writes, and small pieces such as events arrive 100
# to 200 ms late. README.md has figures.
if ENV["THRUST_WORKER_SOCKET"]
  bind "unix://#{ENV["THRUST_WORKER_SOCKET"]}"
else
  port ENV.fetch("PORT", 3000)
end

# Ends with 0 after TERM, as a container that was told to stop should; by itself Puma ends as if TERM had killed it (143).
raise_exception_on_sigterm false
