"""Turn what other tools recorded or described (HAR, OpenAPI) into a journey file to keep."""
