"""What we are compared with: the same job, done as others would."""
