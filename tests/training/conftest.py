"""A job on the tiny texts, trained in this process."""

from training_cases import brittle_encoder, calm_encoder, make_job, one_thread, tiny_config  # noqa: F401  fixtures
