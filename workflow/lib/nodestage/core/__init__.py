"""What every stage uses: errors, files, tables, volumes, logs, devices, memory, digests."""
