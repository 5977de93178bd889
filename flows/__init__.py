"""The stages of a round in order. The only folder that imports prefect."""
