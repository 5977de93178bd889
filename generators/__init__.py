"""Problems, teachers, prompts and the sampling engine."""
