class DownloadsController < ApplicationController
  # thrust sends it: all that Puma does is to name it.
  def file
    send_file Rails.root.join("README.md"), type: "text/markdown", disposition: "attachment"
  end

  # Made here, and sent by Puma.
  def data
    send_data "name,value\n" + "thrust,1\n" * 1000, type: "text/csv", filename: "report.csv"
  end
end
