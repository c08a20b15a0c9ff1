class SessionsController < ApplicationController
  def create
    session[:name] = params.require(:name)
    redirect_to root_path
  end
end
