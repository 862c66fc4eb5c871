"""Written by `make stubs` from proto/sales/v1/sales.proto."""
