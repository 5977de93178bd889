"""Recipes that come with the factory, one TOML file each."""
