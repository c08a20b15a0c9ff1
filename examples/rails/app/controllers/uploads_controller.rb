class UploadsController < ApplicationController
  # Keeps the file with Active Storage and goes to where it can be had.
  def create
    file = params.require(:file)
    blob = ActiveStorage::Blob.create_and_upload!(io: file, filename: file.original_filename)
    redirect_to rails_storage_redirect_path(blob)
  end
end
