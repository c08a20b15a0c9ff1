Rails.application.configure do
  config.cache_classes = true
  config.eager_load = true
  config.consider_all_requests_local = false
  config.action_controller.perform_caching = true

  # Files that the application names are sent by thrust: `send_file`, Active Storage's disk service, and whatever is in
  # public/. It has to be said here: thrust announces it in each request (X-Sendfile-Type), but Rack has ignored that
  # since CVE-2025-61780 was fixed (2.2.20, 3.1.18, 3.2.3).
  config.action_dispatch.x_sendfile_header = "X-Sendfile"

  # Assets come from thrust's memory after their first request. Rails before 8 says nothing of caching on them unless it
  # is told to. thrust keeps them nevertheless, since their names are fingerprinted; browsers would ask for them again.
  config.public_file_server.enabled = true
  unless ENV["EXAMPLE_ASSET_HEADERS"] == "0" # to see how it is without
    config.public_file_server.headers = { "Cache-Control" => "public, max-age=31536000, immutable" }
  end

  # TLS ends at the proxy in front of thrust, or at thrust itself. Either way X-Forwarded-Proto: https reaches Rails, so
  # that `config.assume_ssl` is not needed (it does no harm). Health checks speak plain HTTP.
  config.force_ssl = true
  config.ssl_options = { redirect: { exclude: ->(request) { request.path == "/up" } } }

  config.active_storage.service = :local
  config.active_record.dump_schema_after_migration = false

  # For Sprockets; Propshaft takes no notice.
  config.assets.compile = false
  config.assets.precompile = ["manifest.js"]

  config.log_level = :info
  config.log_tags = [:request_id]
  config.logger = ActiveSupport::TaggedLogging.new(ActiveSupport::Logger.new($stdout))
end
