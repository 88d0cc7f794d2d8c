"""The HTTP API: `api.app.create_app`; our own endpoints in `routes`, other systems' in `compat`."""
