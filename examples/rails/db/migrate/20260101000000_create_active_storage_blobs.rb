# The one table of Active Storage's that is used here. `bin/rails active_storage:install` makes the others as well, for
# attachments to records of the application's own.
class CreateActiveStorageBlobs < ActiveRecord::Migration[6.1]
  def change
    create_table :active_storage_blobs do |t|
      t.string :key, null: false, index: { unique: true }
      t.string :filename, null: false
      t.string :content_type
      t.text :metadata
      t.string :service_name, null: false
      t.bigint :byte_size, null: false
      t.string :checksum
      t.datetime :created_at, null: false
    end
  end
end
