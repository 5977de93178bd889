"""What runs inside the sandbox: standard library only, sent in as text (`filters.sandbox.host`)."""
