require_relative "boot"

require "logger"
require "rails"
require "action_controller/railtie"
require "action_cable/engine"
require "active_storage/engine"

Bundler.require(*Rails.groups)

module Example
  class Application < Rails::Application
    # The defaults of the Rails that is installed.
    config.load_defaults Rails.version.to_f
  end
end
