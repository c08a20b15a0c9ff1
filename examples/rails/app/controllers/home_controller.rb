class HomeController < ApplicationController
  def index
  end

  def up
    head :ok
  end

  def slow
    sleep params.fetch(:seconds, 1).to_f
    render plain: "slow\n"
  end
end
