Rails.application.routes.draw do
  root "home#index"

  # What kamal-proxy asks each second. Rails has a controller of its own for it since 7.1.
  get "up" => defined?(Rails::HealthController) ? "rails/health#show" : "home#up"

  get "slow" => "home#slow"
  get "events" => "events#index"
  post "session" => "sessions#create"
  post "uploads" => "uploads#create"
  get "downloads/file" => "downloads#file"
  get "downloads/data" => "downloads#data"
end
