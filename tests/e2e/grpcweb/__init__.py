"""Scripts of a page of another site that calls by gRPC-Web, and what builds and serves it."""
