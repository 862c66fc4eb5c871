"""The product over gRPC; see docs/grpc.md. Handlers are thin: they call what pages and the REST API call."""
