"""What decides which candidates are kept: verifiers, checks, deduplication, selection."""
